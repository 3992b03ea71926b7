//! The blocking work behind the trait's methods, on one notebook at a time.
//!
//! Locks are always taken in this order: the notebook's slot, for a whole call; then the lock of the idempotency records or of the
//! index, briefly. A call that observes a notebook's file has the notebook's
//! slot, so that our own half-done commit is never taken for an edit from outside.

mod commit;
mod create;
mod directories;
mod load;
mod notebooks;
mod observe;
mod open;
mod scan;
mod search;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use quire_domain::{NotebookId, Revision, Timestamp, UserId};
use quire_storage::{
    CommitId, Committed, Health, IdempotencyKey, IdempotencyRecord, ListFilter, Page, PageRequest, StoreEvent, Usage,
};
use tokio::sync::broadcast;

pub(crate) use commit::OwnedCommit;
pub(crate) use observe::{ROUNDS, describe_kind};

use crate::disk::{Fingerprint, Folder};
use crate::error::Error;
use crate::idempotency::IdempotencyRecords;
use crate::index::{Index, IndexLookup, IndexedNotebook};
use crate::lock::LockFile;
use crate::results::{self, Latest, ResultsFile};

/// Number of a notebook's last commits among which a repetition is recognised.
const MAX_REMEMBERED_COMMITS: usize = 16;
/// Maximum number of events that a subscriber may fall behind, before it must treat every notebook as changed.
const MAX_EVENTS: usize = 1_024;

/// An open directory. A panic elsewhere leaves nothing half done that its locks protect: the state is changed only after the
/// disk has been, in single steps.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Path at which the notebooks' directory was opened.
    root: PathBuf,
    notebooks: Folder,
    /// `.quire`.
    ours: Arc<Folder>,
    temporaries: Folder,
    outputs: Arc<Folder>,
    pub(crate) records: IdempotencyRecords,
    index: Mutex<Index>,
    slots: Mutex<HashMap<NotebookId, Arc<Mutex<Slot>>>>,
    /// The directory's state at the last scan of all names in it; locked while a list scans them. A call that holds this lock waits
    /// for no slot.
    scanned_names: Mutex<Option<Fingerprint>>,
    events: broadcast::Sender<StoreEvent>,
    default_owner: UserId,
    /// Held while what was removed from `.quire` is made again.
    restoring: Mutex<()>,
    /// The lock of the directory, locked as long as anything can write.
    lock: Mutex<LockFile>,
}

/// State of one notebook between calls. Its lock is the right to change the notebook.
#[derive(Debug, Default)]
struct Slot {
    results: Option<ResultsFile>,
    commits: VecDeque<RememberedCommit>,
}

/// A commit that was made.
#[derive(Clone, Copy, Debug)]
struct RememberedCommit {
    id: CommitId,
    committed: Committed,
    /// Set when it is known to be durable.
    durable: bool,
}

impl Slot {
    /// The notebook's results file, opened when this is the first use.
    fn results(
        &mut self,
        folder: &Arc<Folder>,
        id: &NotebookId,
        own_revision: Revision,
    ) -> Result<&mut ResultsFile, Error> {
        let file = match self.results.take() {
            Some(file) => file,
            None => ResultsFile::open(folder, id, own_revision)?.0,
        };
        Ok(self.results.insert(file))
    }

    fn remember(&mut self, commit: RememberedCommit) {
        if self.commits.len() == MAX_REMEMBERED_COMMITS {
            self.commits.pop_front();
        }
        self.commits.push_back(commit);
    }
}

impl Engine {
    pub(crate) fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, Error> {
        self.scan_names()?;
        Ok(self.index().list(filter.owner.as_ref(), page))
    }

    /// Returns the idempotency record of this key.
    pub(crate) fn record(
        &self,
        user: &UserId,
        key: IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, Error> {
        self.records.find(&self.notebooks, user, key, now)
    }

    /// Sums up what an owner's notebooks take on disk, with their results.
    pub(crate) fn usage(&self, owner: &UserId) -> Result<Usage, Error> {
        self.scan_names()?;
        let files = self.index().sizes(owner);
        let mut usage = Usage::default();
        for (id, size) in files {
            usage.notebooks += 1;
            usage.bytes += size + results::size(&self.outputs, &id)?;
        }
        Ok(usage)
    }

    pub(crate) fn health(&self) -> Health {
        let is_there = self.check_root().is_ok();
        if is_there {
            let _ = self.restore_directories(); // that it cannot be made again shows below
        }
        let reads = is_there && self.notebooks.can_be_read();
        Health {
            reads,
            writes: reads
                && [&self.notebooks, &self.temporaries, &*self.outputs].into_iter().all(Folder::can_be_written),
            ..Self::bad_health()
        }
    }

    /// The health of a disk that does not respond in time.
    pub(crate) fn bad_health() -> Health {
        Health { reads: false, writes: false, database: quire_storage::DatabaseState::NotConfigured }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.events.subscribe()
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock()
    }

    /// The notebook's slot.
    fn slot(&self, id: &NotebookId) -> Arc<Mutex<Slot>> {
        let mut slots = self.slots.lock();
        if slots.len() > 100_000 {
            // Slots that are not in use, so that requests for unknown ids do not fill the memory. A repetition of a commit from
            // long ago is no longer recognised without its slot.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(id.clone()).or_default())
    }

    /// Returns all results of a notebook by cell.
    fn latest_results(&self, slot: &mut Slot, id: &NotebookId, known: &IndexedNotebook) -> Result<Latest, Error> {
        if let Some(file) = &slot.results {
            return Ok(file.latest()?);
        }
        let (file, latest) = ResultsFile::open(&self.outputs, id, known.own_revision)?;
        slot.results = Some(file);
        Ok(latest)
    }

    fn notify(&self, changed: Vec<NotebookId>) {
        for id in changed {
            let version = match self.index().find(&id) {
                IndexLookup::Notebook(.., known) => Some(known.version),
                IndexLookup::Damaged(..) | IndexLookup::Nothing => None,
            };
            let _ = self.events.send(StoreEvent { id, version }); // fails without subscribers
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.index().save();
        // Not left to closing the file: a child process that is just being started has a copy of it for a moment.
        self.notebooks.unlock();
        self.lock.lock().unlock();
    }
}

#[cfg(test)]
mod full;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod waiting;
