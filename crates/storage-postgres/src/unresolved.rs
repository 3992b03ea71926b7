//! Commits of unknown outcome, which a store remembers so that their repetitions get the right outcome.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quire_storage::{CommitId, Version};

/// Maximum number of remembered commits of unknown outcome. A caller retries at once or not at all.
const MAX_REMEMBERED: usize = 1_024;

/// The order of commits as far as known, and the commits of unknown outcome.
#[derive(Debug, Default)]
pub(crate) struct UnresolvedCommits {
    /// The highest version of any notebook that the database returned.
    seen: AtomicI64,
    open: Mutex<VecDeque<(CommitId, Version)>>,
}

/// An attempt at a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// A lower bound: if the commit took effect, its version is higher than this, because all versions come from one
    /// sequence.
    pub(crate) above: Version,
    /// `true` if an earlier attempt may have taken effect.
    pub(crate) is_repeated: bool,
}

impl UnresolvedCommits {
    /// Records a version that the database returned.
    pub(crate) fn observe(&self, version: Version) {
        self.seen.fetch_max(version.0, Ordering::SeqCst);
    }

    /// Records the version that a commit got. A version below an earlier one means that the sequence went back, as
    /// after a failover to a server that lagged. The record then begins at the new version.
    pub(crate) fn took(&self, attempt: Attempt, version: Version) {
        if version <= attempt.above && !attempt.is_repeated {
            self.seen.store(version.0, Ordering::SeqCst);
        } else {
            self.observe(version);
        }
    }

    /// Begins an attempt, before any statement of the commit is sent.
    pub(crate) fn begin(&self, id: CommitId) -> Attempt {
        let earlier = self.open().iter().find(|(open, _)| *open == id).map(|(_, above)| *above);
        let now = Version(self.seen.load(Ordering::SeqCst));
        Attempt { above: earlier.unwrap_or(now), is_repeated: earlier.is_some() }
    }

    /// Ends the last attempt; `is_known` is `true` if the outcome of the commit is known.
    pub(crate) fn end(&self, id: CommitId, attempt: Attempt, is_known: bool) {
        if is_known != attempt.is_repeated {
            return; // an open commit remains open, and a known one was never added
        }
        let mut open = self.open();
        if is_known {
            open.retain(|(open, _)| *open != id);
        } else {
            open.push_back((id, attempt.above));
            if open.len() > MAX_REMEMBERED {
                open.pop_front();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<(CommitId, Version)>> {
        // The list is consistent between any two statements, so a panic elsewhere leaves it intact.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_commit_of_unknown_outcome_is_remembered_until_it_is_known() {
        let (unresolved, id) = (UnresolvedCommits::default(), CommitId(Uuid::new_v4()));
        unresolved.observe(Version(7));
        unresolved.observe(Version(3));
        assert_eq!(unresolved.begin(id).above, Version(7));
        unresolved.took(unresolved.begin(id), Version(2));
        assert_eq!(unresolved.begin(id).above, Version(2), "numbers that begin anew");
        unresolved.took(unresolved.begin(id), Version(7));
        let first = unresolved.begin(id);
        assert_eq!((first.above, first.is_repeated), (Version(7), false));
        unresolved.end(id, first, false);
        unresolved.observe(Version(9));
        let second = unresolved.begin(id);
        assert_eq!((second.above, second.is_repeated), (Version(7), true));
        unresolved.end(id, second, false);
        assert_eq!(unresolved.open().len(), 1);
        unresolved.end(id, second, true);
        assert!(!unresolved.begin(id).is_repeated);
        for _ in 0..=MAX_REMEMBERED {
            let id = CommitId(Uuid::new_v4());
            unresolved.end(id, unresolved.begin(id), false);
        }
        assert_eq!(unresolved.open().len(), MAX_REMEMBERED);
    }
}
