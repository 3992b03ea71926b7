//! A store in memory, correct unless it is told to do something wrong. Results are kept apart from notebooks, as real
//! stores do.

mod queries;
mod records;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use quire_domain::{
    Base, Cell, CellId, Change, ContentDigest, Notebook, NotebookId, Results, RunDigest, Timestamp, UserId,
};
use quire_storage::{
    Commit, CommitId, Committed, Delete, IdempotencyKey, IdempotencyRecord, IdempotencyRepository, Loaded,
    NotebookRepository, RecordLookup, StoreError, StoreEvent, Version,
};
use tokio::sync::broadcast;

use crate::faults::Fault;

/// The contents of a store, which outlive it as a disk would.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    notebooks: HashMap<NotebookId, Stored>,
    results: HashMap<(NotebookId, CellId), Arc<Results>>,
    records: HashMap<(UserId, IdempotencyKey), IdempotencyRecord>,
    version: i64,
}

#[derive(Clone, Debug)]
struct Stored {
    notebook: Notebook,
    first_name: Option<Arc<str>>,
    first_digest: ContentDigest,
    version: Version,
    /// The version before it, where that is told.
    previous: Option<Version>,
    last: Option<CommitId>,
}

#[derive(Debug)]
pub(crate) struct MemoryStore {
    memory: Arc<Memory>,
    fault: Option<Fault>,
    events: broadcast::Sender<StoreEvent>,
    working: Mutex<()>,
}

impl MemoryStore {
    pub(crate) fn new(memory: Arc<Memory>, fault: Option<Fault>) -> Self {
        let events = broadcast::channel(1).0;
        Self { memory, fault, events, working: Mutex::default() }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.memory.0.lock().unwrap()
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Returns `true` when a change on this base may be made.
    fn fits(&self, stored: &Notebook, base: Base) -> bool {
        stored.revision == base.revision && (stored.life == base.life || self.is(Fault::IgnoresLives))
    }

    fn key(&self, id: &NotebookId) -> NotebookId {
        self.fault.map_or_else(|| id.clone(), |fault| fault.key(id))
    }

    fn results_key(&self, notebook: &NotebookId, cell: &CellId) -> (NotebookId, CellId) {
        match self.fault {
            Some(fault) => fault.results_key(notebook, cell),
            None => (notebook.clone(), cell.clone()),
        }
    }

    fn spoil(&self, notebook: Notebook) -> Notebook {
        match self.fault {
            Some(fault) => fault.spoil(notebook),
            None => notebook,
        }
    }

    fn next_version(&self, contents: &mut Contents) -> Version {
        if !self.is(Fault::KeepsVersions) {
            contents.version += 1;
        }
        Version(contents.version)
    }

    fn put_results(&self, contents: &mut Contents, id: &NotebookId, cell: &CellId, results: Option<&Arc<Results>>) {
        let key = self.results_key(id, cell);
        match results.filter(|results| ***results != Results::default()) {
            Some(results) => drop(contents.results.insert(key, Arc::clone(results))),
            None => drop(contents.results.remove(&key)),
        }
    }

    /// Stores what changes say about results.
    fn put_changed_results(&self, contents: &mut Contents, id: &NotebookId, changes: &[Arc<Change>]) {
        let edits = changes.iter().any(|change| !change.is_results());
        if edits && self.is(Fault::LosesResultsInGroups) {
            return;
        }
        for cell in changes.iter().flat_map(|change| &change.cells) {
            let results = |cell: &Option<Arc<Cell>>| cell.as_ref().map(|cell| Arc::clone(&cell.results));
            let (before, after) = (results(&cell.before), results(&cell.after));
            let deleted = cell.after.is_none();
            if deleted && self.is(Fault::KeepsResultsOfDeletedCells) {
                continue;
            }
            if cell.before.is_none() && self.is(Fault::KeepsResultsOfDeletedCells) && after == Some(Arc::default()) {
                continue;
            }
            if before != after || deleted || (edits && self.is(Fault::WritesResultsWithEdits)) {
                self.put_results(contents, id, &cell.id, after.as_ref());
            } else if edits && self.is(Fault::DropsResultsOnEdit) {
                self.put_results(contents, id, &cell.id, None);
            }
        }
    }

    fn put_whole(&self, contents: &mut Contents, key: NotebookId, notebook: Notebook, version: Version) {
        for cell in notebook.cells.iter() {
            if *cell.results != Results::default() {
                self.put_results(contents, &notebook.id, &cell.id, Some(&cell.results));
            }
        }
        let (first_name, first_digest) = (notebook.name.clone(), notebook.content_digest());
        contents
            .notebooks
            .insert(key, Stored { notebook, first_name, first_digest, version, previous: None, last: None });
    }

    /// The notebook after a commit, as this store sees it.
    fn after(&self, before: &Notebook, commit: &Commit<'_>) -> Notebook {
        let mut after = commit.after.clone();
        let keep_from_before = |wanted: &dyn Fn(&Cell, &Cell) -> Cell| {
            let cells = commit.after.cells.iter();
            cells
                .map(|cell| before.cells.find(&cell.id).map_or_else(|| Cell::clone(cell), |old| wanted(old, cell)))
                .collect()
        };
        if self.is(Fault::IgnoresMoves) {
            after.cells = keep_from_before(&|old, new| Cell { order: old.order.clone(), ..new.clone() });
        }
        if self.is(Fault::IgnoresShiftedCells) && commit.changes.iter().any(|change| change.cells.len() > 1) {
            after.cells = keep_from_before(&|old, new| Cell { order: old.order.clone(), ..new.clone() });
        }
        if self.is(Fault::StoresTheLastChangeOnly)
            && let [.., last] = commit.changes
            && commit.changes.len() > 1
        {
            let named = |id: &CellId| last.cells.iter().any(|cell| cell.id == *id);
            after.cells = keep_from_before(&|old, new| if named(&new.id) { new.clone() } else { old.clone() });
        }
        if self.is(Fault::CountsResultsAsEdits) && commit.changes.iter().all(|change| change.is_results()) {
            after.revision = after.revision.next().unwrap();
        }
        self.spoil(after)
    }
}

fn not_found(id: &NotebookId) -> StoreError {
    StoreError::NotFound { id: id.clone() }
}

fn slice(record: Option<&IdempotencyRecord>) -> &[IdempotencyRecord] {
    record.map_or(&[], std::slice::from_ref)
}

async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

#[async_trait]
impl NotebookRepository for MemoryStore {
    async fn create(&self, notebook: &Notebook, record: Option<&IdempotencyRecord>) -> Result<Committed, StoreError> {
        let key = self.key(&notebook.id);
        let exists = || StoreError::AlreadyExists { id: notebook.id.clone() };
        if self.is(Fault::ChecksThenCreates) {
            if self.contents().notebooks.contains_key(&key) {
                return Err(exists());
            }
            a_moment().await;
        } else if !self.is(Fault::OverwritesOnCreate) && self.contents().notebooks.contains_key(&key) {
            return Err(exists());
        }
        if self.is(Fault::ChecksRecordsFirst) {
            self.check_records(&self.contents(), slice(record))?;
            a_moment().await;
        }
        let mut contents = self.contents();
        if !self.is(Fault::ChecksThenCreates)
            && !self.is(Fault::OverwritesOnCreate)
            && contents.notebooks.contains_key(&key)
        {
            return Err(exists());
        }
        if !self.is(Fault::ChecksRecordsFirst) {
            self.check_records(&contents, slice(record))?;
        }
        self.insert_records(&mut contents, slice(record));
        let version = self.next_version(&mut contents);
        let notebook = self.spoil(notebook.clone());
        self.put_whole(&mut contents, key, notebook, version);
        Ok(Committed { version, previous: None })
    }

    async fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, StoreError> {
        let contents = self.contents();
        let Some(stored) = contents.notebooks.get(&self.key(id)) else { return Ok(None) };
        let mut notebook = stored.notebook.clone();
        let cells = notebook.cells.iter().map(|cell| {
            let results = contents.results.get(&self.results_key(id, &cell.id)).cloned();
            let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            let analysis = Cell::stored_names(names(cell.reads().collect()), names(cell.writes().collect()));
            let results = results.unwrap_or_default();
            Cell { results, analysis, broken: None, run_digest: RunDigest::default(), ..Cell::clone(cell) }
        });
        notebook.cells = cells.collect();
        notebook.cycles = Arc::default();
        Ok(Some(Loaded { notebook, version: stored.version }))
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<Committed, StoreError> {
        let id = &commit.after.id;
        let key = self.key(id);
        if self.is(Fault::StoresRecordsFirst) {
            self.insert_records(&mut self.contents(), commit.records);
        }
        let checked = |contents: &Contents| {
            let stored = contents.notebooks.get(&key).ok_or_else(|| not_found(id))?.clone();
            let fits = self.fits(&stored.notebook, commit.base) || self.is(Fault::IgnoresBase);
            let again = stored.last == Some(commit.id) && !self.is(Fault::RefusesRepetition);
            if fits || again {
                Ok(stored)
            } else {
                Err(StoreError::RevisionMismatch { id: id.clone(), expected: commit.base.revision })
            }
        };
        let before = checked(&self.contents())?;
        if before.last == Some(commit.id) {
            let refuses =
                self.is(Fault::RefusesRepetition) || self.is(Fault::RefusesOwnRecords) && !commit.records.is_empty();
            return if refuses {
                Err(not_found(id))
            } else {
                Ok(Committed { version: before.version, previous: before.previous })
            };
        }
        if !self.is(Fault::StoresRecordsFirst) {
            self.check_records(&self.contents(), commit.records)?;
        }
        let after = self.after(&before.notebook, &commit);
        if self.is(Fault::LocksOutOthers) && self.working.try_lock().is_err() {
            return Err(StoreError::Unavailable { reason: "busy".into(), source: None });
        }
        if self.is(Fault::ChecksThenCommits) || self.is(Fault::LocksOutOthers) {
            let _working = self.is(Fault::LocksOutOthers).then(|| self.working.lock().unwrap());
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.is(Fault::CommitsInTwoSteps) || self.is(Fault::StopsHalfWayWhenDropped) {
            if let Some(stored) = self.contents().notebooks.get_mut(&key) {
                // The first of the cells and the revision; the rest comes later, if at all.
                let first = commit.after.cells.get(0).cloned();
                let cells = stored.notebook.cells.iter().enumerate();
                let mixed = cells.map(|(index, cell)| match (&first, index) {
                    (Some(first), 0) => Cell::clone(first),
                    _ => Cell::clone(cell),
                });
                let mixed = mixed.collect();
                stored.notebook.cells = mixed;
                stored.notebook.revision = after.revision;
            }
            a_moment().await;
        }
        let mut contents = self.contents();
        if self.fault.is_none() {
            checked(&contents)?;
        }
        self.put_changed_results(&mut contents, id, commit.changes);
        self.insert_records(&mut contents, commit.records);
        let version = self.next_version(&mut contents);
        let previous = if self.is(Fault::TellsNoPreviousVersion) { None } else { Some(before.version) };
        contents.notebooks.insert(key, Stored { notebook: after, version, previous, last: Some(commit.id), ..before });
        Ok(Committed { version, previous })
    }

    async fn replace(&self, base: Base, notebook: &Notebook) -> Result<Committed, StoreError> {
        let (id, key) = (&notebook.id, self.key(&notebook.id));
        let mut contents = self.contents();
        let before = contents.notebooks.get(&key).ok_or_else(|| not_found(id))?.notebook.clone();
        if !self.fits(&before, base) && !self.is(Fault::ReplacesBlindly) {
            return Err(StoreError::RevisionMismatch { id: id.clone(), expected: base.revision });
        }
        let mut notebook = notebook.clone();
        if self.is(Fault::KeepsCellsOnReplace) {
            let gone = before.cells.iter().filter(|cell| notebook.cells.find(&cell.id).is_none());
            notebook.cells = notebook.cells.iter().chain(gone).map(|cell| Cell::clone(cell)).collect();
        }
        contents.results.retain(|(notebook, _), _| notebook != id);
        let version = self.next_version(&mut contents);
        self.put_whole(&mut contents, key, notebook, version);
        Ok(Committed { version, previous: None })
    }

    async fn delete(&self, delete: Delete<'_>) -> Result<(), StoreError> {
        let Delete { id, base, record } = delete;
        let mut contents = self.contents();
        if let Some(stored) = contents.notebooks.get(&self.key(id)) {
            if !self.fits(&stored.notebook, base) && !self.is(Fault::DeletesBlindly) {
                return Err(StoreError::RevisionMismatch { id: id.clone(), expected: base.revision });
            }
            self.check_records(&contents, slice(record))?;
        }
        if contents.notebooks.remove(&self.key(id)).is_none() && !self.is(Fault::DeletesWhatIsMissing) {
            return Err(not_found(id));
        }
        if !self.is(Fault::KeepsResultsOfDeletedNotebooks) {
            contents.results.retain(|(notebook, _), _| notebook != id);
        }
        if self.is(Fault::DropsRecordsOfDeletedNotebooks) {
            contents.records.clear();
        }
        if !self.is(Fault::ForgetsRecordsOfDeletions) {
            self.insert_records(&mut contents, slice(record));
        }
        Ok(())
    }
}

#[async_trait]
impl IdempotencyRepository for MemoryStore {
    async fn put_records(&self, records: &[IdempotencyRecord]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        self.check_records(&contents, records)?;
        self.insert_records(&mut contents, records);
        Ok(())
    }

    async fn record(&self, lookup: RecordLookup<'_>) -> Result<Option<IdempotencyRecord>, StoreError> {
        Ok(self.find_record(&mut self.contents(), lookup))
    }

    async fn delete_old_records(&self, users: &[UserId], now: Timestamp) -> Result<(), StoreError> {
        self.delete_old(&mut self.contents(), users, now);
        Ok(())
    }
}
