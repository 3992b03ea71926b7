//! The choice of notebooks that leave memory so that others have room.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use quire_domain::UserId;

/// An active notebook that may be evicted.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) owner: &'a UserId,
    /// The time of its last access, on a growing counter.
    pub(crate) used: u64,
    /// Bytes that its eviction releases.
    pub(crate) bytes: usize,
    pub(crate) is_watched: bool,
}

/// A user's candidates by index, least recently used first, and the bytes of the user.
#[derive(Debug, Default)]
struct Owned {
    share: usize,
    idle: BinaryHeap<(Reverse<u64>, usize)>,
    watched: BinaryHeap<(Reverse<u64>, usize)>,
}

/// Evicts notebooks until `missing` bytes are about to be released, or no candidate is left. `shares` are the bytes of each
/// user; `wanted` is a user who needs so many more bytes, if there is one.
///
/// At each step, the least recently used notebook of the user with the most bytes is evicted. Watched notebooks are evicted
/// only when no unwatched one is left, and only while that user has more bytes than the requesting user would get. `evict`
/// returns `true` if it could evict a candidate. Takes O(n + e log n) steps for e evictions of n candidates.
pub(crate) fn evict(
    candidates: &[Candidate<'_>],
    shares: &HashMap<UserId, usize>,
    wanted: Option<(&UserId, usize)>,
    missing: usize,
    mut evict: impl FnMut(usize) -> bool,
) {
    let more_of = |user: &UserId| wanted.filter(|(wants, _)| *wants == user).map_or(0, |(_, bytes)| bytes);
    let share_of = |user: &UserId| shares.get(user).copied().unwrap_or_default() + more_of(user);
    let mut indexes: HashMap<&UserId, (Vec<_>, Vec<_>)> = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let (idle, watched) = indexes.entry(candidate.owner).or_default();
        let of_kind = if candidate.is_watched { watched } else { idle };
        of_kind.push((Reverse(candidate.used), index));
    }
    let owned = |(user, (idle, watched)): (_, (Vec<_>, Vec<_>))| {
        (user, Owned { share: share_of(user), idle: idle.into(), watched: watched.into() })
    };
    let mut owners: HashMap<&UserId, Owned> = indexes.into_iter().map(owned).collect();
    let mut left = missing;
    for is_watched in [false, true] {
        let first_of = |user, owned: &Owned| {
            let queue = if is_watched { &owned.watched } else { &owned.idle };
            queue.peek().map(|(used, _)| (owned.share, *used, user))
        };
        let mut ranked: BinaryHeap<(usize, Reverse<u64>, &UserId)> =
            owners.iter().filter_map(|(user, owned)| first_of(*user, owned)).collect();
        while left > 0 {
            let Some((share, _, user)) = ranked.pop() else { break };
            let share_now = |user| owners.get(user).map_or_else(|| share_of(user), |owned| owned.share);
            if is_watched && wanted.is_some_and(|(wants, _)| share <= share_now(wants)) {
                break;
            }
            let Some(owned) = owners.get_mut(user) else { break };
            let queue = if is_watched { &mut owned.watched } else { &mut owned.idle };
            let Some((_, index)) = queue.pop() else { break };
            if evict(index) {
                let bytes = candidates[index].bytes;
                owned.share = owned.share.saturating_sub(bytes);
                left = left.saturating_sub(bytes);
            }
            ranked.extend(first_of(user, owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    /// Evicts some of these candidates, (owner, last use, bytes, watched), and returns the evicted ones in order.
    fn evicted(
        all: &[(&UserId, u64, usize, bool)],
        wanted: Option<(&UserId, usize)>,
        missing: usize,
        busy: &[usize],
    ) -> Vec<usize> {
        let mut shares: HashMap<UserId, usize> = HashMap::new();
        for (owner, _, bytes, _) in all {
            *shares.entry((*owner).clone()).or_default() += bytes;
        }
        let candidate = |&(owner, used, bytes, is_watched)| Candidate { owner, used, bytes, is_watched };
        let candidates: Vec<_> = all.iter().map(candidate).collect();
        let mut gone = Vec::new();
        evict(&candidates, &shares, wanted, missing, |index| {
            let can_go = !busy.contains(&index);
            gone.extend(can_go.then_some(index));
            can_go
        });
        gone
    }

    #[test]
    fn one_scan_finds_all_that_must_go() {
        let ann = user("ann");
        let all: Vec<_> = (0..1_000).map(|index| (&ann, 1_000 - index, 10, false)).collect();
        let oldest_first: Vec<_> = (400..1_000).rev().collect();
        assert_eq!(evicted(&all, None, 5_995, &[]), oldest_first);
        assert_eq!(evicted(&all, None, 0, &[]), [0; 0]);
    }

    #[test]
    fn the_user_who_takes_the_most_at_each_step_is_next() {
        let (ann, bob) = (user("ann"), user("bob"));
        let all = [(&ann, 5, 40, false), (&bob, 1, 30, false), (&ann, 6, 40, false), (&bob, 2, 30, false)];
        // Ann has 80 and Bob 60, then 40 and 60, then 40 and 30.
        assert_eq!(evicted(&all, None, 100, &[]), [0, 1, 2]);
        // The wanted bytes count for the user who wants them.
        assert_eq!(evicted(&all, Some((&bob, 30)), 30, &[]), [1]);
    }

    #[test]
    fn watched_ones_go_last_and_only_for_users_who_take_less() {
        let (ann, bob) = (user("ann"), user("bob"));
        let all = [(&ann, 1, 40, true), (&ann, 2, 40, true), (&bob, 3, 10, false)];
        assert_eq!(evicted(&all, Some((&bob, 20)), 1_000, &[]), [2, 0, 1]);
        assert_eq!(evicted(&all, Some((&bob, 30)), 1_000, &[]), [2, 0, 1]);
        // At 40 bytes each, no user takes more than the other.
        assert_eq!(evicted(&all, Some((&bob, 40)), 1_000, &[]), [2, 0]);
        assert_eq!(evicted(&all, Some((&ann, 1)), 1_000, &[]), [2]);
        assert_eq!(evicted(&all, None, 1_000, &[]), [2, 0, 1]);
    }

    #[test]
    fn busy_ones_are_passed_over_and_chosen_another_time() {
        let ann = user("ann");
        let all = [(&ann, 1, 10, false), (&ann, 2, 10, false), (&ann, 3, 10, false)];
        assert_eq!(evicted(&all, None, 15, &[0]), [1, 2]);
        assert_eq!(evicted(&all, None, 15, &[]), [0, 1]);
    }
}
