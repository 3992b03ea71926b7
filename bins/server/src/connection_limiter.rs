//! Limit on the connections of a thread: when it is nearly reached, each new connection ends an existing one that waits
//! for its client.
//!
//! The HTTP library stops accepting connections at its limit. A client could lock out all others by opening connections
//! and sending nothing, sending bodies byte by byte, or reading no responses. A connection keeps its place while the
//! server works on its request, and as a WebSocket whose client reads.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

use quire_api::ConnectionHandle;

/// Connections of one thread.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimiter {
    /// Number of connections from which on each new one ends another.
    max_connections: usize,
    connections: Rc<RefCell<Vec<ConnectionHandle>>>,
}

/// Place of a connection among those of its thread, until it ends.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: ConnectionLimiter,
    handle: ConnectionHandle,
}

impl ConnectionLimiter {
    /// Creates the limiter of a thread that may have so many connections, a few of which are reserved for new ones.
    pub(crate) fn new(connections: usize) -> Self {
        let reserve = (connections / 8).clamp(1, 16);
        Self { max_connections: connections.saturating_sub(reserve).max(1), connections: Rc::default() }
    }

    /// Admits a connection. If there are too many, one that waits for its client is ended: of the source with the most
    /// such connections, so that one source does not displace another. Within the source, connections that have never
    /// sent a request come first, and of these the one that has waited longest.
    pub(crate) fn admit(&self, handle: &ConnectionHandle) -> Permit {
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.max_connections {
            let waiting: Vec<_> = connections
                .iter()
                .filter_map(|connection| Some((connection.source(), connection.client_awaited_since()?, connection)))
                .collect();
            let mut of_source = HashMap::<_, usize>::new();
            for (source, ..) in &waiting {
                *of_source.entry(*source).or_default() += 1;
            }
            let rank = |(source, since, connection): &(_, _, &ConnectionHandle)| {
                (Reverse(of_source.get(source).copied()), connection.has_begun(), *since)
            };
            if let Some((.., connection)) = waiting.iter().min_by_key(|waiting| rank(waiting)) {
                // It always ends: hung up only, one whose first request arrives now could block on its response for ever.
                connection.cut_off();
            }
        }
        connections.push(handle.clone());
        Permit { limiter: self.clone(), handle: handle.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut connections = self.limiter.connections.borrow_mut();
        if let Some(index) = connections.iter().position(|connection| connection.is(&self.handle)) {
            connections.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn from(last: u8) -> ConnectionHandle {
        let handle = ConnectionHandle::default();
        handle.set_address(Some(IpAddr::from([192, 0, 2, last])));
        handle
    }

    #[test]
    fn the_connection_whose_client_was_waited_for_longest_is_ended() {
        let limiter = ConnectionLimiter::new(4);
        let handles: [ConnectionHandle; 6] = std::array::from_fn(|_| from(1));
        let mut permits: Vec<_> = handles.iter().take(3).map(|handle| limiter.admit(handle)).collect();
        let ended = || handles.each_ref().map(ConnectionHandle::is_hung_up);
        assert_eq!(ended(), [false; 6]);
        permits.push(limiter.admit(&handles[3]));
        assert_eq!(ended(), [true, false, false, false, false, false]);
        // A connection that is being ended does not count again.
        permits.push(limiter.admit(&handles[4]));
        assert_eq!(ended(), [true, true, false, false, false, false]);
        permits.drain(..2);
        assert_eq!(limiter.connections.borrow().len(), 3);
        drop(permits);
        assert!(limiter.connections.borrow().is_empty());
    }

    #[test]
    fn a_source_of_many_connections_makes_room_and_not_one_of_few() {
        let limiter = ConnectionLimiter::new(5);
        let (old, many) = (from(1), [from(2), from(2), from(2)]);
        let permits = [&old, &many[0], &many[1], &many[2]].map(|handle| limiter.admit(handle));
        let _new = limiter.admit(&from(3));
        assert!(many[0].is_hung_up() && !old.is_hung_up());
        drop(permits);
    }

    #[test]
    fn bodies_that_drip_in_and_answers_that_are_not_read_make_room_and_work_under_way_does_not() {
        let limiter = ConnectionLimiter::new(4);
        let (working, receiving, sending) = (from(1), from(1), from(1));
        let requests = [&working, &receiving, &sending].map(ConnectionHandle::begin);
        receiving.set_receiving(true);
        sending.set_blocked(true);
        let permits = [&working, &receiving, &sending].map(|handle| limiter.admit(handle));
        let ended = || [&working, &receiving, &sending].map(ConnectionHandle::is_hung_up);
        // The server works on the new connections at once, so that none of them waits for its client.
        let new = [from(2), from(2), from(2)];
        let of_new = new.each_ref().map(ConnectionHandle::begin);
        let mut more = vec![limiter.admit(&new[0])];
        assert_eq!(ended(), [false, true, false]);
        more.push(limiter.admit(&new[1]));
        assert_eq!(ended(), [false, true, true]);
        more.push(limiter.admit(&new[2]));
        assert_eq!(ended(), [false, true, true], "the server works on all others");
        drop((permits, more, requests, of_new));
    }
}
