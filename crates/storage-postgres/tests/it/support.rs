//! Stores on databases of their own, and callers who edit notebooks in them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quire_domain::{
    Base, Cell, CellId, CellStatus, CellType, Change, Edit, Extra, Json, Notebook, NotebookId, OpenNotebook, OrderKey,
    Output, Place, Results, Revision, Timestamp, UserId,
};
use quire_storage::{
    Commit, CommitId, IdempotencyKey, IdempotencyRecord, NotebookStore, RecordLookup, RequestDigest, StoreError,
    Version,
};
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};
use quire_test_postgres::Database;
use uuid::Uuid;

/// Time-out of each operation that must succeed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A store on this database.
pub(crate) fn open(database: &Database) -> Arc<PostgresNotebookStore> {
    open_with(database.url(), Options::default())
}

pub(crate) fn open_with(url: &str, options: Options) -> Arc<PostgresNotebookStore> {
    Arc::new(PostgresNotebookStore::new(DatabaseUrl::parse(url).unwrap(), options).unwrap())
}

/// A store with so many connections at most.
pub(crate) fn with_connections(max_connections: u32) -> Options {
    Options { max_connections, ..Options::default() }
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn notebook_id(text: &str) -> NotebookId {
    NotebookId::new(text).unwrap()
}

pub(crate) fn cell_id(text: &str) -> CellId {
    CellId::new(text).unwrap()
}

pub(crate) fn ann() -> UserId {
    UserId::new("ann").unwrap()
}

/// A time so many milliseconds after a fixed one.
pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(1_767_225_600_000 + millis).unwrap()
}

/// Ann's notebook of Python cells `(id, code)`.
pub(crate) fn notebook(id: &str, cells: &[(&str, &str)]) -> Notebook {
    let mut notebook = Notebook::new(notebook_id(id), quire_domain::Life::UNRECORDED, ann(), time(0));
    notebook.cells = cells.iter().enumerate().map(|(index, (id, code))| cell(index, id, code)).collect();
    notebook
}

/// A Python cell at this index.
pub(crate) fn cell(index: usize, id: &str, code: &str) -> Cell {
    Cell {
        id: cell_id(id),
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: Arc::from(code),
        revision: Revision(0),
        analysis: Cell::stored_names(Vec::new(), Vec::new()),
        broken: None,
        results: Arc::default(),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    }
}

pub(crate) fn update(id: &str, code: &str) -> Edit {
    Edit::UpdateCell { id: cell_id(id), code: Arc::from(code) }
}

pub(crate) fn insert(id: &str, code: &str, place: Place) -> Edit {
    Edit::InsertCell { id: cell_id(id), cell_type: CellType::Python, code: Arc::from(code), place }
}

pub(crate) fn delete(id: &str) -> Edit {
    Edit::DeleteCell { id: cell_id(id) }
}

/// Results with this text and so many outputs that hold it too.
pub(crate) fn printed(id: &str, text: &str, outputs: usize) -> Edit {
    let data = Json::parse(&serde_json::to_string(text).unwrap()).unwrap();
    let output = Output { mime_type: "text/plain".to_owned(), data, metadata: Json::parse("{}").unwrap() };
    let results = Results {
        status: CellStatus::Success,
        stdout: text.to_owned(),
        outputs: vec![output; outputs],
        ..Results::default()
    };
    Edit::SetResults { id: cell_id(id), results: Arc::new(results) }
}

/// Numbers that look random and are the same in each run (Knuth's MMIX generator).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Returns Ann's idempotency record with this number.
pub(crate) fn idempotency_record(number: usize) -> IdempotencyRecord {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
    let (outcome, at) = (Arc::from(format!("{number}")), time(number.try_into().unwrap()));
    IdempotencyRecord { user: ann(), key: IdempotencyKey(key), request: RequestDigest([1; 32]), outcome, at }
}

/// Returns `true` if that record is stored.
pub(crate) async fn has_record(store: &dyn NotebookStore, number: usize) -> bool {
    let expected = idempotency_record(number);
    let lookup = RecordLookup { user: &ann(), key: expected.key, now: expected.at };
    let found = store.record(lookup).await.unwrap();
    assert!(found.as_ref().is_none_or(|found| *found == expected), "{found:?}");
    found.is_some()
}

/// Changes that were applied in memory and are to be stored, as often as need be.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: CommitId,
    base: Base,
    changes: Vec<Arc<Change>>,
    after: Notebook,
    pub(crate) records: Vec<IdempotencyRecord>,
}

impl Group {
    pub(crate) async fn commit(&self, store: &dyn NotebookStore) -> Result<Version, StoreError> {
        let Self { id, base, changes, after, records } = self;
        let commit = Commit { id: *id, base: *base, changes, after, records };
        Ok(store.commit(commit).await?.version)
    }
}

/// A caller who edits one notebook.
#[derive(Debug)]
pub(crate) struct Editor {
    pub(crate) open: OpenNotebook,
}

impl Editor {
    /// Stores a new notebook and edits it.
    pub(crate) async fn create(store: &dyn NotebookStore, notebook: Notebook) -> Self {
        let open = OpenNotebook::open(notebook);
        store.create(open.notebook(), None).await.unwrap();
        Self { open }
    }

    /// Edits what is stored.
    pub(crate) async fn load(store: &dyn NotebookStore, id: &NotebookId) -> Self {
        Self { open: OpenNotebook::open(load(store, id).await) }
    }

    pub(crate) fn notebook(&self) -> &Notebook {
        self.open.notebook()
    }

    pub(crate) fn revision(&self) -> i64 {
        self.notebook().revision.0
    }

    /// Applies edits without storing them.
    pub(crate) fn apply(&mut self, edits: &[Edit]) -> Group {
        let base = self.notebook().base();
        let mut apply = |edit| {
            let later = self.open.notebook().updated_at + Duration::from_millis(1);
            self.open.apply(edit, None, later).unwrap().map(Arc::new)
        };
        let changes = edits.iter().filter_map(&mut apply).collect();
        Group { id: CommitId(Uuid::new_v4()), base, changes, after: self.notebook().clone(), records: Vec::new() }
    }

    /// Takes back what could not be stored.
    pub(crate) fn undo(&mut self, group: &Group) {
        for change in group.changes.iter().rev() {
            self.open.undo(change);
        }
    }

    /// Applies edits and stores them; takes them back in memory when they are refused.
    pub(crate) async fn commit(&mut self, store: &dyn NotebookStore, edits: &[Edit]) -> Result<Version, StoreError> {
        let group = self.apply(edits);
        let answer = group.commit(store).await;
        if answer.is_err() {
            self.undo(&group);
        }
        answer
    }
}

/// Loads a notebook that must be there.
pub(crate) async fn load(store: &dyn NotebookStore, id: &NotebookId) -> Notebook {
    store.load(id).await.unwrap().expect("the notebook is there").notebook
}

/// What is kept of a notebook, to compare: order keys and analyses are the domain's to choose.
pub(crate) fn kept(notebook: &Notebook) -> impl PartialEq + std::fmt::Debug + use<> {
    let cell = |cell: &Arc<Cell>| {
        (
            (cell.id.clone(), cell.cell_type, Arc::clone(&cell.code), cell.revision),
            (Arc::clone(&cell.results), cell.extra.clone()),
        )
    };
    let connection = notebook.connection.as_ref().map(|connection| connection.expose().to_owned());
    (
        (notebook.owner.clone(), notebook.name.clone(), connection, notebook.revision),
        (notebook.created_at, notebook.updated_at, notebook.extra.clone(), notebook.reactive),
        notebook.cells.iter().map(cell).collect::<Vec<_>>(),
    )
}
