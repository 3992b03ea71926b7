//! Commits of unknown outcome: what a store must remember to answer truly when they are tried again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quire_storage::{CommitId, Version};

/// Commits of unknown outcome that are remembered. A caller tries again at once or not at all.
const MOST: usize = 1_024;

/// What is known of the order of commits, and of those whose outcome is not known.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// The highest version that the database has told of any notebook.
    seen: AtomicI64,
    open: Mutex<VecDeque<(CommitId, Version)>>,
}

/// A try of a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    /// Versions are taken from one sequence: if the commit has happened, its version is higher than this.
    pub(crate) above: Version,
    /// An earlier try may have happened.
    pub(crate) is_repeated: bool,
}

impl Doubts {
    /// Takes note of a version that the database told.
    pub(crate) fn saw(&self, version: Version) {
        self.seen.fetch_max(version.0, Ordering::SeqCst);
    }

    /// Takes note of the version that a commit took. One below what was seen before means that the numbers have begun anew
    /// further down, as after a failover to a server that lagged: then what was seen counts no more.
    pub(crate) fn took(&self, tried: Try, version: Version) {
        if version <= tried.above && !tried.is_repeated {
            self.seen.store(version.0, Ordering::SeqCst);
        } else {
            self.saw(version);
        }
    }

    /// Before anything of a commit is sent.
    pub(crate) fn begin(&self, id: CommitId) -> Try {
        let earlier = self.open().iter().find(|(open, _)| *open == id).map(|(_, above)| *above);
        let now = Version(self.seen.load(Ordering::SeqCst));
        Try { above: earlier.unwrap_or(now), is_repeated: earlier.is_some() }
    }

    /// After the last try: whether it is known what became of the commit.
    pub(crate) fn end(&self, id: CommitId, tried: Try, is_known: bool) {
        if is_known != tried.is_repeated {
            return; // it is not among the open ones, and need not be; or is, and stays
        }
        let mut open = self.open();
        if is_known {
            open.retain(|(open, _)| *open != id);
        } else {
            open.push_back((id, tried.above));
            if open.len() > MOST {
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
        let (doubts, id) = (Doubts::default(), CommitId(Uuid::new_v4()));
        doubts.saw(Version(7));
        doubts.saw(Version(3));
        assert_eq!(doubts.begin(id).above, Version(7));
        doubts.took(doubts.begin(id), Version(2));
        assert_eq!(doubts.begin(id).above, Version(2), "numbers that begin anew");
        doubts.took(doubts.begin(id), Version(7));
        let first = doubts.begin(id);
        assert_eq!((first.above, first.is_repeated), (Version(7), false));
        doubts.end(id, first, false);
        doubts.saw(Version(9));
        let second = doubts.begin(id);
        assert_eq!((second.above, second.is_repeated), (Version(7), true));
        doubts.end(id, second, false);
        assert_eq!(doubts.open().len(), 1);
        doubts.end(id, second, true);
        assert!(!doubts.begin(id).is_repeated);
        for _ in 0..=MOST {
            let id = CommitId(Uuid::new_v4());
            doubts.end(id, doubts.begin(id), false);
        }
        assert_eq!(doubts.open().len(), MOST);
    }
}
