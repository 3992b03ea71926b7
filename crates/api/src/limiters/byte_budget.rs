//! Budgets of bytes in memory, for each user and for the server.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quire_domain::UserId;

use crate::problem::{Code, Problem};
use crate::settings::ByteLimit;

/// A budget: the bytes reserved, and the limit on them.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    limit: ByteLimit,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_user: HashMap<UserId, usize>,
}

/// A reservation of bytes for a user, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Arc<ByteBudget>,
    user: UserId,
    bytes: usize,
}

/// The limit that a reservation would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// The user's limit.
    User,
    /// The server's limit.
    Server,
}

impl ByteBudget {
    pub(crate) fn new(limit: ByteLimit) -> Arc<Self> {
        Arc::new(Self { limit, held: Mutex::default() })
    }

    /// Makes a reservation of no bytes for this user.
    pub(crate) fn open(self: &Arc<Self>, user: &UserId) -> Hold {
        Hold { budget: Arc::clone(self), user: user.clone(), bytes: 0 }
    }

    /// Reserves bytes for this user. A user without a reservation may exceed the user's limit, and a server without any may exceed
    /// the server's: otherwise a single response larger than a limit could never be sent.
    pub(crate) fn hold(self: &Arc<Self>, user: &UserId, bytes: usize) -> Result<Hold, Exceeded> {
        let mut held = self.held.lock();
        let of_user = held.of(user);
        if of_user > 0 && of_user.saturating_add(bytes) > self.limit.user {
            return Err(Exceeded::User);
        }
        if held.total > 0 && held.total.saturating_add(bytes) > self.limit.server {
            return Err(Exceeded::Server);
        }
        held.add(user, bytes);
        drop(held);
        Ok(Hold { budget: Arc::clone(self), user: user.clone(), bytes })
    }
}

impl Held {
    fn of(&self, user: &UserId) -> usize {
        self.by_user.get(user).copied().unwrap_or_default()
    }

    fn add(&mut self, user: &UserId, bytes: usize) {
        if bytes > 0 {
            self.total += bytes;
            *self.by_user.entry(user.clone()).or_default() += bytes;
        }
    }

    fn remove(&mut self, user: &UserId, bytes: usize) {
        self.total -= bytes;
        if let Some(of_user) = self.by_user.get_mut(user) {
            *of_user -= bytes;
            if *of_user == 0 {
                self.by_user.remove(user);
            }
        }
    }
}

impl Hold {
    /// Grows the reservation to this many bytes, within the limits.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Exceeded> {
        let more = bytes.saturating_sub(self.bytes);
        let mut held = self.budget.held.lock();
        if held.of(&self.user).saturating_add(more) > self.budget.limit.user {
            return Err(Exceeded::User);
        }
        if held.total.saturating_add(more) > self.budget.limit.server {
            return Err(Exceeded::Server);
        }
        held.add(&self.user, more);
        drop(held);
        self.bytes += more;
        Ok(())
    }
}

impl Hold {
    /// Sets the reservation to this many bytes, beyond the limits if need be: they are in memory already.
    pub(crate) fn adjust_to(&mut self, bytes: usize) {
        let mut held = self.budget.held.lock();
        held.remove(&self.user, self.bytes);
        held.add(&self.user, bytes);
        drop(held);
        self.bytes = bytes;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.held.lock().remove(&self.user, self.bytes);
    }
}

impl Exceeded {
    /// Makes the problem of a request that would exceed the limit; `what` names the bytes.
    pub(crate) fn problem(self, what: &str, limit: ByteLimit) -> Problem {
        match self {
            Self::User => {
                let detail = format!(
                    "{what} in progress for you have more than {} MiB together; wait until one has finished.",
                    limit.user >> 20
                );
                Problem::new(Code::TooMuchAtOnce, detail).after(1)
            }
            Self::Server => {
                let detail = format!(
                    "{what} in progress on this server have more than {} MiB together; try again in a moment.",
                    limit.server >> 20
                );
                Problem::new(Code::ServerBusy, detail).after(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn each_user_and_all_together_hold_so_much_and_no_more() {
        let budget = ByteBudget::new(ByteLimit { server: 10, user: 6 });
        let (ann, bob, cy) = (user("ann"), user("bob"), user("cy"));
        let mut first = budget.open(&ann);
        first.grow_to(4).unwrap();
        assert_eq!(budget.hold(&ann, 3).unwrap_err(), Exceeded::User);
        let second = budget.hold(&ann, 2).unwrap();
        assert_eq!(first.grow_to(5).unwrap_err(), Exceeded::User);
        let of_bob = budget.hold(&bob, 4).unwrap();
        assert_eq!(budget.hold(&cy, 1).unwrap_err(), Exceeded::Server);
        assert_eq!(budget.open(&cy).grow_to(1).unwrap_err(), Exceeded::Server);
        drop(second);
        let mut of_cy = budget.hold(&cy, 1).unwrap();
        of_cy.grow_to(2).unwrap();
        drop((first, of_bob, of_cy));
        let held = budget.held.lock();
        assert!(held.total == 0 && held.by_user.is_empty(), "{held:?}");
    }

    #[test]
    fn what_is_held_is_adjusted_to_what_is_there() {
        let budget = ByteBudget::new(ByteLimit { server: 10, user: 6 });
        let ann = user("ann");
        let mut hold = budget.hold(&ann, 2).unwrap();
        for bytes in [8, 1] {
            hold.adjust_to(bytes);
            let sums = budget.held.lock();
            assert_eq!((sums.total, sums.of(&ann)), (bytes, bytes));
        }
        drop(hold);
        let sums = budget.held.lock();
        assert!(sums.total == 0 && sums.by_user.is_empty(), "{sums:?}");
    }

    #[test]
    fn a_single_thing_may_be_larger_than_the_limit() {
        let budget = ByteBudget::new(ByteLimit { server: 10, user: 6 });
        let (ann, bob) = (user("ann"), user("bob"));
        let large = budget.hold(&ann, 100).unwrap();
        assert_eq!(budget.hold(&ann, 1).unwrap_err(), Exceeded::User);
        assert_eq!(budget.hold(&bob, 1).unwrap_err(), Exceeded::Server);
        drop(large);
        let _of_user = budget.hold(&ann, 8).unwrap();
        assert_eq!(budget.hold(&bob, 8).unwrap_err(), Exceeded::Server);
    }
}
