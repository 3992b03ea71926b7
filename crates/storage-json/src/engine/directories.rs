//! The directories while they are served: other programs may remove them, as `git clean -fdx` does.

use super::Engine;
use crate::disk::{Folder, KnownFile};
use crate::error::Error;
use crate::lock;

/// Name of the directory of what is ours.
pub(super) const OURS: &str = ".quire";
/// Name of the directory in it of files being written.
pub(super) const TEMPORARIES: &str = "tmp";
/// Name of the directory in it of results.
pub(super) const OUTPUTS: &str = "outputs";

impl Engine {
    /// Checks that the notebooks' directory is still the one that was opened. When it was removed, moved or replaced, nothing
    /// that is in it or not in it says anything about the notebooks, so every call is refused until it is back or the
    /// server is started again.
    pub(crate) fn check_root(&self) -> Result<(), Error> {
        if self.notebooks.is_at(&self.root) { Ok(()) } else { Err(Error::Moved) }
    }

    /// Makes again what is ours in the directory, where another program removed it: the directories, the lock, and the logs, which are
    /// written from what is in memory. Results of runs that were in it are lost. [`Self::check_root`] comes before.
    pub(crate) fn restore_directories(&self) -> Result<(), Error> {
        if !self.is_incomplete() {
            return Ok(());
        }
        // One at a time, also so that none uses a directory that another is about to make.
        let _restoring = self.restoring.lock();
        if !self.ours.is_in(&self.notebooks, OURS) {
            tracing::warn!(
                directory = OURS,
                "was removed from outside, and is made again; results of runs in it are lost"
            );
            self.ours.reopen(&self.notebooks, OURS).map_err(Error::Restore)?;
        }
        for (folder, name) in self.missing_children() {
            tracing::warn!(directory = name, "was removed from .quire from outside, and is made again");
            folder.reopen(&self.ours, name).map_err(Error::Restore)?;
        }
        if self.ours.has_lost(&self.known_lock()) {
            let taken = lock::take(&self.ours, &self.notebooks, &self.root).map_err(Error::LockLost)?;
            *self.lock.lock() = taken;
        }
        self.records.restore().map_err(Error::Restore)?;
        self.index().restore();
        Ok(())
    }

    /// Returns whether a directory, the lock or a log is missing. No lock is held during the system calls, so that changes of
    /// different notebooks do not wait for each other's checks.
    fn is_incomplete(&self) -> bool {
        let (records, index) = (self.records.known_log(), self.index().known_log());
        let files = [Some(self.known_lock()), records, index];
        !self.ours.is_in(&self.notebooks, OURS)
            || self.missing_children().next().is_some()
            || files.iter().flatten().any(|file| self.ours.has_lost(file))
    }

    /// The directories that are not in `.quire`.
    fn missing_children(&self) -> impl Iterator<Item = (&Folder, &'static str)> {
        let children = [(&self.temporaries, TEMPORARIES), (&*self.outputs, OUTPUTS)];
        children.into_iter().filter(|(folder, name)| !folder.is_in(&self.ours, name))
    }

    fn known_lock(&self) -> KnownFile {
        self.lock.lock().known()
    }
}
