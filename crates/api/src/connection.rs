//! What the API tells the listener of a connection: whether a request is under way on it, and when it may be closed.
//!
//! The HTTP library keeps both to itself. The listener puts a [`ConnectionHandle`] among the connection's data; without one,
//! the library's own rules hold.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use tokio::time::Instant;

/// One connection, seen by the API and by the listener, which are on one thread. A clone is the same connection.
#[derive(Clone, Debug)]
pub struct ConnectionHandle(Rc<State>);

#[derive(Debug)]
struct State {
    under_way: Cell<usize>,
    has_begun: Cell<bool>,
    waiting_since: Cell<Instant>,
    hung_up: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

/// A request, or a WebSocket, from its head to the end of its answer.
#[derive(Debug)]
pub(crate) struct UnderWay(Rc<State>);

impl Default for ConnectionHandle {
    fn default() -> Self {
        Self(Rc::new(State {
            under_way: Cell::new(0),
            has_begun: Cell::new(false),
            waiting_since: Cell::new(Instant::now()),
            hung_up: Cell::new(false),
            reader: RefCell::new(None),
        }))
    }
}

impl ConnectionHandle {
    /// Returns whether the head of a request has ever arrived.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.get()
    }

    /// Returns since when the connection has waited for the head of a request; nothing while one is being answered.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Instant> {
        (self.0.under_way.get() == 0 && !self.is_hung_up()).then(|| self.0.waiting_since.get())
    }

    /// Returns whether nothing more is to be read.
    #[must_use]
    pub fn is_hung_up(&self) -> bool {
        self.0.hung_up.get()
    }

    /// Ends the connection as soon as everything given to it has been sent, without waiting for the client.
    pub fn hang_up(&self) {
        self.0.hung_up.set(true);
        if let Some(reader) = self.0.reader.take() {
            reader.wake();
        }
    }

    /// Remembers the task to be woken by [`Self::hang_up`].
    pub fn wait(&self, reader: &Waker) {
        let mut kept = self.0.reader.borrow_mut();
        if kept.as_ref().is_none_or(|kept| !kept.will_wake(reader)) {
            *kept = Some(reader.clone());
        }
    }

    /// Returns whether both are the same connection.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Counts a request until what is returned is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.has_begun.set(true);
        self.0.under_way.set(self.0.under_way.get() + 1);
        UnderWay(Rc::clone(&self.0))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        self.0.waiting_since.set(Instant::now());
    }
}
