//! The calls in flight, which dropping the store waits for.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::engine::Engine;

/// The calls in flight.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    in_flight: Mutex<InFlight>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct InFlight {
    count: usize,
    /// Set when the store is being dropped.
    is_closed: bool,
}

/// A call in flight.
pub(crate) struct Call {
    engine: Option<Arc<Engine>>,
    calls: Arc<Calls>,
}

impl Calls {
    /// Maximum time that closing waits for a disk that may never respond.
    const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

    /// Begins a call with the engine that `engine` returns. After [`Self::close`], a call has none.
    pub(crate) fn begin(self: &Arc<Self>, engine: impl FnOnce() -> Option<Arc<Engine>>) -> Call {
        // Counted before it has the engine: a close in between would see no call, while the directory stays locked until the
        // call ends.
        let is_closed = {
            let mut in_flight = self.in_flight.lock();
            in_flight.count += 1;
            in_flight.is_closed
        };
        let mut call = Call { engine: None, calls: Arc::clone(self) };
        if !is_closed {
            call.engine = engine();
        }
        call
    }

    /// Gives no further call an engine, and waits for the calls in flight.
    pub(crate) fn close(&self) {
        let mut in_flight = self.in_flight.lock();
        in_flight.is_closed = true;
        let _ = self.ended.wait_while_for(&mut in_flight, |in_flight| in_flight.count > 0, Self::CLOSE_TIMEOUT);
    }
}

impl Call {
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.engine.as_deref()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.engine = None; // first, so that the waiting close is the last to have it
        self.calls.in_flight.lock().count -= 1;
        self.calls.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use quire_domain::UserId;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn closing_waits_for_a_call_that_is_about_to_take_the_engine() {
        let dir = TempDir::new().unwrap();
        let open = || Engine::open(dir.path(), UserId::new("ann").unwrap());
        let (engine, calls) = (Arc::new(open().unwrap()), Arc::new(Calls::default()));
        let (begins, has_begun) = channel();
        let (weak, counted) = (Arc::downgrade(&engine), Arc::clone(&calls));
        let health = thread::spawn(move || {
            let call = counted.begin(|| {
                assert_eq!(counted.in_flight.lock().count, 1);
                begins.send(()).unwrap();
                while !counted.in_flight.lock().is_closed {
                    thread::yield_now(); // the store is not being dropped yet
                }
                weak.upgrade()
            });
            call.engine().is_some()
        });
        has_begun.recv().unwrap();
        calls.close();
        drop(engine);
        open().unwrap();
        assert!(health.join().unwrap());
    }

    #[test]
    fn a_call_after_closing_does_not_take_the_engine() {
        let calls = Arc::new(Calls::default());
        calls.close();
        let call = calls.begin(|| panic!("the directory would stay locked until the call ends"));
        assert!(call.engine().is_none());
    }
}
