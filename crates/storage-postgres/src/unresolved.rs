//! Commits of unknown outcome, which a store must remember to answer their repetitions correctly.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quire_storage::{CommitId, Version};

/// Maximum number of commits of unknown outcome that are remembered. A caller repeats one at once or not at all.
const MAX_REMEMBERED: usize = 1_024;

/// The commits of unknown outcome, and the highest version seen.
#[derive(Debug, Default)]
pub(crate) struct UnresolvedCommits {
    /// The highest version of any notebook that the database has returned.
    seen: AtomicI64,
    open: Mutex<VecDeque<(CommitId, Version)>>,
}

/// An attempt at a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// Versions are taken from one sequence: if the commit has happened, its version is higher than this.
    pub(crate) above: Version,
    /// An earlier attempt may have happened.
    pub(crate) is_repeated: bool,
}

impl UnresolvedCommits {
    /// Records a version that the database returned.
    pub(crate) fn saw(&self, version: Version) {
        self.seen.fetch_max(version.0, Ordering::SeqCst);
    }

    /// Records the version that a commit took. A version below the highest one seen means that the sequence continues from an
    /// earlier state, as after a failover to a server that lagged: then the highest one seen is forgotten.
    pub(crate) fn took(&self, attempt: Attempt, version: Version) {
        if version <= attempt.above && !attempt.is_repeated {
            self.seen.store(version.0, Ordering::SeqCst);
        } else {
            self.saw(version);
        }
    }

    /// Begins an attempt, before anything of the commit is sent.
    pub(crate) fn begin(&self, id: CommitId) -> Attempt {
        let earlier = self.open().iter().find(|(open, _)| *open == id).map(|(_, above)| *above);
        let now = Version(self.seen.load(Ordering::SeqCst));
        Attempt { above: earlier.unwrap_or(now), is_repeated: earlier.is_some() }
    }

    /// Ends the last attempt; `is_known` says whether the outcome of the commit is known.
    pub(crate) fn end(&self, id: CommitId, attempt: Attempt, is_known: bool) {
        if is_known != attempt.is_repeated {
            return; // it is not among the open ones, and need not be; or is, and stays
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
        // The list is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
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
        unresolved.saw(Version(7));
        unresolved.saw(Version(3));
        assert_eq!(unresolved.begin(id).above, Version(7));
        unresolved.took(unresolved.begin(id), Version(2));
        assert_eq!(unresolved.begin(id).above, Version(2), "numbers that begin anew");
        unresolved.took(unresolved.begin(id), Version(7));
        let first = unresolved.begin(id);
        assert_eq!((first.above, first.is_repeated), (Version(7), false));
        unresolved.end(id, first, false);
        unresolved.saw(Version(9));
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
