//! Directories, notebooks and edits for the tests.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quire_domain::{
    CellId, CellStatus, CellType, Edit, Life, Notebook, NotebookId, OpenNotebook, Place, Results, Timestamp, UserId,
};
use quire_storage::prelude::*;
use quire_storage::{
    Commit, CommitId, IdempotencyKey, IdempotencyRecord, ListFilter, Page, PageRequest, RecordLookup, RequestDigest,
    StoreError, Version,
};
use quire_storage_json::{JsonNotebookStore, Options};
use tempfile::TempDir;
use uuid::Uuid;

/// A store that looks for changes from outside only when it is told to, in a directory that lives as long.
pub(crate) struct Served {
    store: Option<JsonNotebookStore>,
    dir: TempDir,
}

impl Served {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self { store: Some(open(dir.path())), dir }
    }

    /// Serves a directory with these files.
    pub(crate) fn with_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let dir = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Self { store: Some(open(dir.path())), dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Stops serving, lets something happen to the files, and serves them again.
    pub(crate) fn restart_after(&mut self, happens: impl FnOnce(&Path)) {
        self.store = None;
        happens(self.dir.path());
        self.store = Some(open(self.dir.path()));
    }

    /// The names of what is in the directory, hidden files left out.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(self.dir.path())
    }
}

impl Deref for Served {
    type Target = JsonNotebookStore;

    fn deref(&self) -> &JsonNotebookStore {
        self.store.as_ref().unwrap()
    }
}

pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

pub(crate) fn quiet() -> Options {
    Options { scan_every: None, ..Options::default() }
}

pub(crate) fn open(dir: &Path) -> JsonNotebookStore {
    JsonNotebookStore::open(dir, quiet()).unwrap()
}

pub(crate) fn id(id: &str) -> NotebookId {
    NotebookId::new(id).unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_timestamp_micros(1_770_000_000_000_000 + micros).unwrap()
}

/// A notebook of `ann` with one cell, `a`.
pub(crate) fn notebook(name: &str, code: &str) -> Notebook {
    let mut open = OpenNotebook::open(Notebook::new(id(name), Life::new(Uuid::new_v4()), user("ann"), at(0)));
    open.apply(&insert("a", code), None, at(0)).unwrap();
    open.notebook().clone()
}

pub(crate) fn insert(cell: &str, code: &str) -> Edit {
    let id = CellId::new(cell).unwrap();
    Edit::InsertCell { id, cell_type: CellType::Python, code: code.into(), place: Place::End }
}

pub(crate) fn update(cell: &str, code: &str) -> Edit {
    Edit::UpdateCell { id: CellId::new(cell).unwrap(), code: code.into() }
}

pub(crate) fn printed(cell: &str, stdout: &str) -> Edit {
    let results = Results { status: CellStatus::Success, stdout: stdout.into(), ..Results::default() };
    Edit::SetResults { id: CellId::new(cell).unwrap(), results: Arc::new(results) }
}

/// A caller's view of one notebook.
#[derive(Debug)]
pub(crate) struct View(pub(crate) OpenNotebook);

impl View {
    pub(crate) fn revision(&self) -> i64 {
        self.0.notebook().revision.0
    }

    pub(crate) fn code(&self, cell: &str) -> &str {
        &self.0.cell(&CellId::new(cell).unwrap()).unwrap().code
    }

    pub(crate) fn stdout(&self, cell: &str) -> &str {
        &self.0.cell(&CellId::new(cell).unwrap()).unwrap().results.stdout
    }
}

pub(crate) async fn load(store: &JsonNotebookStore, name: &str) -> View {
    View(OpenNotebook::open(store.load(&id(name)).await.unwrap().expect("the notebook is there").notebook))
}

pub(crate) async fn try_load(store: &JsonNotebookStore, name: &str) -> Result<Option<View>, StoreError> {
    Ok(store.load(&id(name)).await?.map(|loaded| View(OpenNotebook::open(loaded.notebook))))
}

/// Applies edits to a view and commits them together.
pub(crate) async fn commit(store: &JsonNotebookStore, view: &mut View, edits: &[Edit]) -> Result<Version, StoreError> {
    commit_with_records(store, view, edits, &[]).await
}

/// Does what [`commit`] does, with idempotency records.
pub(crate) async fn commit_with_records(
    store: &JsonNotebookStore,
    view: &mut View,
    edits: &[Edit],
    records: &[IdempotencyRecord],
) -> Result<Version, StoreError> {
    let base = view.0.notebook().base();
    let now = view.0.notebook().updated_at;
    let changes: Vec<_> =
        edits.iter().map(|edit| Arc::new(view.0.apply(edit, None, now).unwrap().expect("a change"))).collect();
    let commit = Commit { id: CommitId(Uuid::new_v4()), base, changes: &changes, after: view.0.notebook(), records };
    Ok(store.commit(commit).await?.version)
}

/// Returns the record of the request that takes this notebook to, or over, this revision.
pub(crate) fn record(name: &str, revision: i64) -> IdempotencyRecord {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&revision.to_be_bytes());
    key[8..8 + name.len()].copy_from_slice(name.as_bytes());
    let outcome = format!("{name} {revision}").into();
    IdempotencyRecord {
        user: user("ann"),
        key: IdempotencyKey(key),
        request: RequestDigest([1; 32]),
        outcome,
        at: at(revision),
    }
}

/// Looks for the record of the same key.
pub(crate) async fn find(
    store: &JsonNotebookStore,
    like: &IdempotencyRecord,
    now: Timestamp,
) -> Option<IdempotencyRecord> {
    store.record(RecordLookup { user: &like.user, key: like.key, now }).await.unwrap()
}

/// Returns whether that record is stored, unchanged.
pub(crate) async fn is_recorded(store: &JsonNotebookStore, name: &str, revision: i64) -> bool {
    let expected = record(name, revision);
    let found = find(store, &expected, at(0)).await;
    assert!(found.as_ref().is_none_or(|found| *found == expected), "{found:?}");
    found.is_some()
}

/// Loads, edits and commits.
pub(crate) async fn edit(store: &JsonNotebookStore, name: &str, edits: &[Edit]) -> Result<Version, StoreError> {
    commit(store, &mut load(store, name).await, edits).await
}

pub(crate) async fn list(store: &JsonNotebookStore, owner: &str) -> Page {
    store.list(&ListFilter::of(user(owner)), &PageRequest::default()).await.unwrap()
}

pub(crate) async fn listed(store: &JsonNotebookStore, owner: &str) -> Vec<String> {
    list(store, owner).await.notebooks.into_iter().map(|summary| summary.id.to_string()).collect()
}

pub(crate) async fn damaged(store: &JsonNotebookStore, owner: &str) -> Vec<(String, String)> {
    list(store, owner).await.damaged.into_iter().map(|damaged| (damaged.place, damaged.reason)).collect()
}
