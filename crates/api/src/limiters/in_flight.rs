//! How many requests are being answered, so that shutting down can wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts requests. Sequentially consistent, since `drain` looks at two values that others change in between.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    count: AtomicUsize,
    draining: AtomicBool,
    empty: Notify,
}

/// One request being answered.
#[derive(Debug)]
pub(crate) struct RequestInFlight(Arc<InFlight>);

impl InFlight {
    /// Counts a request until what is returned is dropped; the answer's body holds it until that has been sent.
    pub(crate) fn enter(self: &Arc<Self>) -> RequestInFlight {
        self.count.fetch_add(1, Ordering::SeqCst);
        RequestInFlight(Arc::clone(self))
    }

    /// Whether [`Self::drain`] has been called.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Returns once nothing is being answered.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        loop {
            // Registered before looking, so that a request that ends in between is not missed.
            let empty = self.empty.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            empty.await;
        }
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_draining() {
            self.0.empty.notify_waiters();
        }
    }
}
