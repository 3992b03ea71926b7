//! The state of a connection that the API and the listener share: whether the server or the client is awaited, and when the
//! connection may be closed.
//!
//! The HTTP library keeps both to itself. The listener puts a [`ConnectionHandle`] among the connection's data; without one,
//! the library's own rules hold.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Waker;

use quire_domain::UserId;
use tokio::time::Instant;

use crate::connection::client_address::Network;

/// One connection, seen by the API and by the listener, which are on one thread. A clone is the same connection.
///
/// ```
/// let handle = quire_api::ConnectionHandle::default();
/// let request = handle.begin();
/// assert!(handle.client_awaited_since().is_none(), "the server works on the request");
/// drop(request);
/// assert!(handle.client_awaited_since().is_some(), "the client may send another request");
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionHandle(Rc<State>);

#[derive(Debug)]
struct State {
    active: Cell<usize>,
    /// Number of requests that have begun since all arrived bytes were read.
    begun_in_a_row: Cell<usize>,
    has_begun: Cell<bool>,
    /// Time since which the next request is awaited.
    waiting_since: Cell<Instant>,
    /// Time since which the body of the request is awaited.
    receiving_since: Cell<Option<Instant>>,
    /// Time since which the client reads nothing.
    blocked_since: Cell<Option<Instant>>,
    source: Cell<Source>,
    hung_up: Cell<bool>,
    cut_off: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

/// The source to which a connection is attributed: the user of its last request or, without a user, the network of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(SourceKind);

/// The kinds of [`Source`]. A user is a hash, which is enough to tell users apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum SourceKind {
    Network(Network),
    User(u64),
}

/// A request, or a WebSocket, from its head to the end of its response. Counts until it is dropped.
#[derive(Debug)]
pub struct ActiveRequest(Rc<State>);

/// A mark that the body of a request is being received, until this is dropped.
#[derive(Debug)]
pub(crate) struct ReceivingBody(ConnectionHandle);

impl Default for ConnectionHandle {
    fn default() -> Self {
        Self(Rc::new(State {
            active: Cell::new(0),
            begun_in_a_row: Cell::new(0),
            has_begun: Cell::new(false),
            waiting_since: Cell::new(Instant::now()),
            receiving_since: Cell::new(None),
            blocked_since: Cell::new(None),
            source: Cell::new(Source(SourceKind::Network(Network::default()))),
            hung_up: Cell::new(false),
            cut_off: Cell::new(false),
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

    /// Returns the time since which the connection waits for its client: to send a request or the rest of its body, or to read
    /// a response. Returns nothing while the server works on a request, and once the
    /// connection is being closed.
    #[must_use]
    pub fn client_awaited_since(&self) -> Option<Instant> {
        if self.is_hung_up() {
            return None;
        }
        if self.0.active.get() == 0 {
            return Some(self.0.waiting_since.get());
        }
        self.0.receiving_since.get().or(self.0.blocked_since.get())
    }

    /// Returns the source to which the connection is attributed.
    #[must_use]
    pub fn source(&self) -> Source {
        self.0.source.get()
    }

    /// Attributes the connection to this address: that of its peer or the one that a trusted proxy names.
    pub fn set_address(&self, address: Option<IpAddr>) {
        self.0.source.set(Source(SourceKind::Network(Network::of(address))));
    }

    /// Attributes the connection to this user.
    pub(crate) fn set_user(&self, user: &UserId) {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        self.0.source.set(Source(SourceKind::User(hasher.finish())));
    }

    /// Records whether the body of the request is awaited.
    pub fn set_receiving(&self, is_receiving: bool) {
        self.0.receiving_since.set(is_receiving.then(Instant::now));
    }

    /// Records that the body of the request is awaited, until the returned mark is dropped.
    pub(crate) fn receiving_body(&self) -> ReceivingBody {
        self.set_receiving(true);
        ReceivingBody(self.clone())
    }

    /// Records whether the client reads nothing.
    pub fn set_blocked(&self, is_blocked: bool) {
        if is_blocked != self.0.blocked_since.get().is_some() {
            self.0.blocked_since.set(is_blocked.then(Instant::now));
        }
    }

    /// Returns whether the connection reads no more.
    #[must_use]
    pub fn is_hung_up(&self) -> bool {
        self.0.hung_up.get()
    }

    /// Returns whether the connection also sends no more than the client takes at once.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.0.cut_off.get()
    }

    /// Closes the connection as soon as everything given to it has been sent, without waiting for the client.
    pub fn hang_up(&self) {
        self.0.hung_up.set(true);
        if let Some(reader) = self.0.reader.take() {
            reader.wake();
        }
    }

    /// Closes the connection without waiting for the client to read what has been given to it.
    pub fn cut_off(&self) {
        self.0.cut_off.set(true);
        self.hang_up();
    }

    /// Records that all arrived bytes were read, and the task that [`Self::hang_up`] wakes.
    pub fn wait(&self, reader: &Waker) {
        self.0.begun_in_a_row.set(0);
        let mut waker = self.0.reader.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(reader)) {
            *waker = Some(reader.clone());
        }
    }

    /// Returns whether both are the same connection.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Returns whether the present request was pipelined: sent together with the one before it. The library answers all of
    /// those in a row, without giving the thread to its other connections.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.0.begun_in_a_row.get() > 1
    }

    /// Counts a request until the returned value is dropped.
    #[must_use]
    pub fn begin(&self) -> ActiveRequest {
        self.0.has_begun.set(true);
        self.0.active.set(self.0.active.get() + 1);
        self.0.begun_in_a_row.set(self.0.begun_in_a_row.get() + 1);
        ActiveRequest(Rc::clone(&self.0))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
        self.0.waiting_since.set(Instant::now());
    }
}

impl Drop for ReceivingBody {
    fn drop(&mut self) {
        self.0.set_receiving(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_pipelined_when_it_was_read_together_with_the_one_before_it() {
        let handle = ConnectionHandle::default();
        let is_pipelined = || {
            drop(handle.begin());
            handle.is_pipelined()
        };
        assert!(!is_pipelined());
        assert!(is_pipelined() && is_pipelined());
        handle.wait(Waker::noop());
        assert!(!is_pipelined());
    }

    #[test]
    fn a_user_is_no_network() {
        let [by_address, by_user] = [(); 2].map(|()| ConnectionHandle::default());
        by_user.set_user(&UserId::new("ann").unwrap());
        for address in ["192.0.2.1", "2001:db8::1", "ffff::1"] {
            by_address.set_address(address.parse().ok());
            assert_ne!(by_address.source(), by_user.source());
        }
        by_address.set_address("2001:db8::2".parse().ok());
        let source = by_address.source();
        by_address.set_address("2001:db8::1".parse().ok());
        assert_eq!(source, by_address.source(), "one customer's network");
    }
}
