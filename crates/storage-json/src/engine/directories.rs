//! The directories while they are served: somebody may remove them, as `git clean -fdx` does.

use super::{Engine, lock};
use crate::error::Error;
use crate::lock;

/// What is ours in the directory.
pub(super) const OURS: &str = ".quire";
/// In it: files being written.
pub(super) const TEMPORARIES: &str = "tmp";
/// In it: results.
pub(super) const OUTPUTS: &str = "outputs";

impl Engine {
    /// Checks that the notebooks' directory is still the one that was opened. When it was removed, moved or replaced, nothing
    /// that is in it or not in it says anything about the notebooks, so every call is refused until it is back or the
    /// server is started again.
    pub(crate) fn check_root(&self) -> Result<(), Error> {
        if self.notebooks.is_at(&self.root) { Ok(()) } else { Err(Error::Moved) }
    }

    /// Makes again what is ours in the directory, where somebody removed it: the directories, the lock, and the logs, which are
    /// written from what is in memory. Results of runs that were in it are lost.
    pub(crate) fn restore_directories(&self) -> Result<(), Error> {
        self.check_root()?;
        // One at a time, also so that none uses a directory that another is about to make.
        let mut held = lock(&self.lock);
        let children = [(&self.temporaries, TEMPORARIES), (&*self.outputs, OUTPUTS)];
        let is_missing = |(folder, name): &(&crate::disk::Folder, &str)| !folder.is_in(&self.ours, name);
        if !self.ours.is_in(&self.notebooks, OURS) {
            tracing::warn!(
                directory = OURS,
                "was removed from outside, and is made again; results of runs in it are lost"
            );
            self.ours.reopen(&self.notebooks, OURS).map_err(Error::Restore)?;
        }
        for (folder, name) in children.into_iter().filter(is_missing) {
            tracing::warn!(directory = name, "was removed from .quire from outside, and is made again");
            folder.reopen(&self.ours, name).map_err(Error::Restore)?;
        }
        if self.ours.has_lost(&held.known()) {
            *held = lock::take(&self.ours, &self.notebooks, &self.root).map_err(Error::LockLost)?;
        }
        self.answers.restore().map_err(Error::Restore)?;
        self.index().restore();
        Ok(())
    }
}
