//! The choice of the work that starts next: a state machine without I/O, clock or threads.
//!
//! Start-time fair queuing (Goyal, Vin and Cheng, 1996) over the users of one lane. Each user has a tag, the virtual time
//! at which the user's next work may start; starting work advances the tag by the cost of the work. The lowest tag starts
//! next, and virtual time is the tag of the work that started last. A new user gets the current virtual time as the tag, so
//! that each other user starts at most one piece of work while the new user's first one waits for a free place.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::budgets::Budget;

/// Maximum users without work whose tags are kept, before all such tags are dropped.
const MAX_IDLE_USERS: usize = 10_000;

/// The claim of work that cannot start at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The work may be refused.
    Bounded,
    /// The work is queued without limit, because its number is bounded elsewhere and an edit depends on it.
    Always,
    /// The work is queued without limit and ahead of all other work.
    First,
}

/// Reason for which work may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueFull {
    /// Too much work of this user waits.
    ForUser,
    /// Too much work of all users waits.
    ForAll,
}

/// Running and waiting work of one kind, by user. `J` is notified when waiting work may start.
#[derive(Debug)]
pub(super) struct FairQueue<K, J> {
    budget: Budget,
    /// Virtual time.
    now: u64,
    /// The last number given to waiting work or to a rank.
    numbers: u64,
    running: usize,
    waiting: usize,
    users: HashMap<K, User<J>>,
    /// Users whose next work may start as soon as there is room, by tag and by the order in which they became ready.
    ready: BTreeMap<Rank, K>,
}

/// A tag, and a number that orders equal tags.
type Rank = (u64, u64);

#[derive(Debug)]
struct User<J> {
    tag: u64,
    /// The user's rank in `ready`.
    rank: Option<Rank>,
    running: usize,
    /// The waiting work by number, which is the order of arrival.
    waiting: BTreeMap<u64, QueuedWork<J>>,
}

#[derive(Debug)]
struct QueuedWork<J> {
    cost: u64,
    claim: Claim,
    job: J,
}

impl<K: Clone + Eq + Hash, J> FairQueue<K, J> {
    pub(super) fn new(budget: Budget) -> Self {
        // The first virtual time is 1, so that work ahead of all users can have tag 0.
        let (users, ready) = (HashMap::new(), BTreeMap::new());
        Self { budget, now: 1, numbers: 0, running: 0, waiting: 0, users, ready }
    }

    /// Starts work of this user at once if there is room and no other work waits. Returns `true` if it has started.
    pub(super) fn try_start(&mut self, user: &K, cost: u64) -> bool {
        let may_start = self.running < self.budget.at_once && self.ready.is_empty() && {
            let user = self.users.get(user);
            user.is_none_or(|user| user.running < self.budget.at_once_per_user && user.waiting.is_empty())
        };
        if may_start {
            let now = self.now;
            self.now = self.user(user).begin(now, cost);
            self.running += 1;
        }
        may_start
    }

    /// Queues work of this user and returns its number. [`Self::next`] may start it right away.
    pub(super) fn wait(&mut self, user: &K, cost: u64, claim: Claim, job: J) -> Result<u64, QueueFull> {
        let budget = self.budget;
        if claim == Claim::Bounded {
            let of_user = self.users.get(user).map_or(0, |user| user.waiting.len());
            if of_user >= budget.waiting_per_user {
                return Err(QueueFull::ForUser);
            }
            if self.waiting >= budget.waiting {
                return Err(QueueFull::ForAll);
            }
        }
        self.numbers += 1;
        let number = self.numbers;
        self.user(user).waiting.insert(number, QueuedWork { cost, claim, job });
        self.waiting += 1;
        self.make_ready(user);
        Ok(number)
    }

    /// Starts the next work, if there is room.
    pub(super) fn next(&mut self) -> Option<(K, J)> {
        if self.running >= self.budget.at_once {
            return None;
        }
        let ((tag, _), key) = self.ready.pop_first()?;
        let now = self.now.max(tag);
        let user = self.users.get_mut(&key)?;
        user.rank = None;
        let (_, QueuedWork { cost, job, .. }) = user.waiting.pop_first()?;
        user.begin(now, cost);
        self.now = now;
        self.running += 1;
        self.waiting -= 1;
        self.make_ready(&key);
        Some((key, job))
    }

    /// Ends running work of this user.
    pub(super) fn finish(&mut self, key: &K) {
        let Some(user) = self.users.get_mut(key) else { return };
        user.running = user.running.saturating_sub(1);
        self.running = self.running.saturating_sub(1);
        self.make_ready(key);
        self.drop_idle(key);
    }

    /// Removes waiting work; does nothing if it has started meanwhile.
    pub(super) fn cancel(&mut self, key: &K, number: u64) {
        let Some(user) = self.users.get_mut(key) else { return };
        if user.waiting.remove(&number).is_some() {
            self.waiting -= 1;
            self.withdraw(key);
            self.make_ready(key);
            self.drop_idle(key);
        }
    }

    /// Charges a further cost for work of this user, whose cost was unknown when it started.
    pub(super) fn charge(&mut self, key: &K, cost: u64) {
        let Some(user) = self.users.get_mut(key) else { return };
        user.tag = user.tag.saturating_add(cost);
        self.withdraw(key);
        self.make_ready(key);
    }

    /// Removes and returns all waiting work that may be refused.
    pub(super) fn take_bounded(&mut self) -> Vec<J> {
        let keys: Vec<K> = self.users.keys().cloned().collect();
        let mut taken = Vec::new();
        for key in keys {
            let Some(user) = self.users.get_mut(&key) else { continue };
            let (bounded, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
                std::mem::take(&mut user.waiting).into_iter().partition(|(_, waiting)| waiting.claim == Claim::Bounded);
            user.waiting = rest;
            self.waiting -= bounded.len();
            taken.extend(bounded.into_values().map(|waiting| waiting.job));
            self.withdraw(&key);
            self.make_ready(&key);
            self.drop_idle(&key);
        }
        taken
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn user(&mut self, key: &K) -> &mut User<J> {
        let new = || User { tag: 0, rank: None, running: 0, waiting: BTreeMap::new() };
        self.users.entry(key.clone()).or_insert_with(new)
    }

    /// Adds a user to the ready ones, if work of the user waits for room alone.
    fn make_ready(&mut self, key: &K) {
        let Some(user) = self.users.get_mut(key) else { return };
        let Some((_, first)) = user.waiting.first_key_value() else { return };
        if user.rank.is_some() || user.running >= self.budget.at_once_per_user {
            return;
        }
        // Time at the limit of work at once gives a user no credit for later.
        user.tag = user.tag.max(self.now);
        self.numbers += 1;
        let rank = (if first.claim == Claim::First { 0 } else { user.tag }, self.numbers);
        user.rank = Some(rank);
        self.ready.insert(rank, key.clone());
    }

    fn withdraw(&mut self, key: &K) {
        let rank = self.users.get_mut(key).and_then(|user| user.rank.take());
        if let Some(rank) = rank {
            self.ready.remove(&rank);
        }
    }

    /// Drops users whose state no longer matters.
    fn drop_idle(&mut self, key: &K) {
        if self.running == 0 && self.waiting == 0 {
            self.users.clear();
            self.now = 1;
            return;
        }
        let now = self.now;
        if self.users.get(key).is_some_and(|user| user.is_idle() && user.tag <= now) {
            self.users.remove(key);
        } else if self.users.len() > MAX_IDLE_USERS.saturating_add(self.running + self.waiting) {
            self.users.retain(|_, user| !user.is_idle());
        }
    }
}

impl<J> User<J> {
    /// Starts work; returns the virtual time at which it starts.
    fn begin(&mut self, now: u64, cost: u64) -> u64 {
        let start = self.tag.max(now);
        self.tag = start.saturating_add(cost.max(1));
        self.running += 1;
        start
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
#[path = "fair_queue_tests.rs"]
mod tests;
