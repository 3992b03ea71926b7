//! The number of requests in flight, so that a shutdown can wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A counter of requests in flight. Sequentially consistent, because `drain` reads two values that other threads write.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    count: AtomicUsize,
    draining: AtomicBool,
    empty: Notify,
}

/// A request in flight, until this is dropped.
#[derive(Debug)]
pub(crate) struct RequestInFlight(Arc<InFlight>);

impl InFlight {
    /// Counts a request until the returned value is dropped; the response's body holds that until it has been sent.
    pub(crate) fn enter(self: &Arc<Self>) -> RequestInFlight {
        self.count.fetch_add(1, Ordering::SeqCst);
        RequestInFlight(Arc::clone(self))
    }

    /// Returns whether [`Self::drain`] has been called.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Waits until no request is in flight.
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
