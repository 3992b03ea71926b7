//! Room for new connections: when a thread holds nearly as many as it may, those that wait for a request make room.
//!
//! The library stops taking connections when there are too many, so that anybody could keep everybody out by opening some
//! and sending nothing. Whoever has a request under way, or a WebSocket, keeps the connection.

use std::cell::RefCell;
use std::rc::Rc;

use quire_api::ConnectionHandle;

/// The connections of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    /// Connections that there are before one must make room.
    most: usize,
    members: Rc<RefCell<Vec<ConnectionHandle>>>,
}

/// A connection's membership, until it has ended.
#[derive(Debug)]
pub(crate) struct Member {
    crowd: Crowd,
    handle: ConnectionHandle,
}

impl Crowd {
    /// A thread that may hold so many connections: a few places are kept for those that have just come.
    pub(crate) fn of(connections: usize) -> Self {
        let reserve = (connections / 8).clamp(1, 16);
        Self { most: connections.saturating_sub(reserve).max(1), members: Rc::default() }
    }

    /// Lets a connection in. When there are too many, the one ends that has waited longest: of those that have never sent a
    /// request if there are any, else of those that may send another.
    pub(crate) fn join(&self, handle: &ConnectionHandle) -> Member {
        let mut members = self.members.borrow_mut();
        if members.len() >= self.most {
            let waiting = members.iter().filter_map(|member| {
                let since = member.waiting_since()?;
                Some((member.has_begun(), since, member))
            });
            let longest = waiting.min_by_key(|(has_begun, since, _)| (*has_begun, *since));
            if let Some((.., member)) = longest {
                member.hang_up();
            }
        }
        members.push(handle.clone());
        Member { crowd: self.clone(), handle: handle.clone() }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.crowd.members.borrow_mut();
        if let Some(place) = members.iter().position(|member| member.is(&self.handle)) {
            members.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_has_waited_longest_makes_room() {
        let crowd = Crowd::of(4);
        let handles: [ConnectionHandle; 6] = std::array::from_fn(|_| ConnectionHandle::default());
        let mut members: Vec<_> = handles.iter().take(3).map(|handle| crowd.join(handle)).collect();
        let ended = || handles.each_ref().map(ConnectionHandle::is_hung_up);
        assert_eq!(ended(), [false; 6]);
        members.push(crowd.join(&handles[3]));
        assert_eq!(ended(), [true, false, false, false, false, false]);
        // It is on its way out and counts no more than once.
        members.push(crowd.join(&handles[4]));
        assert_eq!(ended(), [true, true, false, false, false, false]);
        members.drain(..2);
        assert_eq!(crowd.members.borrow().len(), 3);
        drop(members);
        assert!(crowd.members.borrow().is_empty());
    }
}
