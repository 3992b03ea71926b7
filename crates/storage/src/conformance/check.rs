//! Comparisons of loaded notebooks with stored ones, and an editor of one notebook.

use std::fmt::Debug;
use std::sync::Arc;

use quire_domain::{
    Base, Cell, CellId, Change, Edit, Extra, Notebook, NotebookId, OpenNotebook, Results, RunDigest, Timestamp,
};
use uuid::Uuid;

use super::{Failure, ensure};
use crate::{Commit, CommitId, Committed, Loaded, NotebookStore, StoreError, Version};

/// Loads a notebook that must be there.
pub(super) async fn load(store: &dyn NotebookStore, id: &NotebookId) -> Result<Loaded, Failure> {
    store.load(id).await?.ok_or_else(|| Failure::new(format!("notebook {id:?} is not there")))
}

/// Fails unless the stored notebook is this one.
pub(super) async fn is_stored(store: &dyn NotebookStore, expected: &Notebook) -> Result<(), Failure> {
    same_notebook(expected, &load(store, &expected.id).await?.notebook)
}

/// Fails with the first difference in anything that is stored.
pub(super) fn same_notebook(expected: &Notebook, actual: &Notebook) -> Result<(), Failure> {
    same("the id", &expected.id, &actual.id)?;
    same("the life", &expected.life, &actual.life)?;
    same("the owner", &expected.owner, &actual.owner)?;
    same("the name", &expected.name, &actual.name)?;
    let connection = |notebook: &Notebook| notebook.connection.as_ref().map(|c| c.expose().to_owned());
    same("the connection string", &connection(expected), &connection(actual))?;
    same("whether runs go on", &expected.reactive, &actual.reactive)?;
    same("the revision", &expected.revision, &actual.revision)?;
    same("the time of creation", &expected.created_at, &actual.created_at)?;
    same("the time of the last edit", &expected.updated_at, &actual.updated_at)?;
    same_extra("the notebook", &expected.extra, &actual.extra)?;
    let ids = |notebook: &Notebook| notebook.cells.iter().map(|cell| cell.id.clone()).collect::<Vec<_>>();
    same("the cells and their order", &ids(expected), &ids(actual))?;
    for (expected, actual) in expected.cells.iter().zip(actual.cells.iter()) {
        same_cell(expected, actual)?;
    }
    let has_run_digest = actual.cells.iter().any(|cell| cell.run_digest != RunDigest::default());
    ensure!(!has_run_digest, "a loaded cell has a run digest, which is never stored");
    ensure!(actual.cycles.is_empty(), "a loaded notebook has cycles, which are never stored");
    Ok(())
}

fn same_cell(expected: &Cell, actual: &Cell) -> Result<(), Failure> {
    let what = |field: &str| format!("{field} of cell {:?}", expected.id);
    same(&what("the type"), &expected.cell_type, &actual.cell_type)?;
    same(&what("the code"), &expected.code, &actual.code)?;
    same(&what("the revision"), &expected.revision, &actual.revision)?;
    same(&what("the names read"), &expected.reads().collect::<Vec<_>>(), &actual.reads().collect::<Vec<_>>())?;
    same(&what("the names written"), &expected.writes().collect::<Vec<_>>(), &actual.writes().collect::<Vec<_>>())?;
    same_results(&what("the results"), &expected.results, &actual.results)?;
    same_extra(&what("the fields"), &expected.extra, &actual.extra)
}

pub(super) fn same_results(what: &str, expected: &Results, actual: &Results) -> Result<(), Failure> {
    same(&format!("{what} (status)"), &expected.status, &actual.status)?;
    same(&format!("{what} (stdout)"), &expected.stdout, &actual.stdout)?;
    same(&format!("{what} (error)"), &expected.error, &actual.error)?;
    same(&format!("{what} (digest of the code)"), &expected.code_digest, &actual.code_digest)?;
    same(&format!("{what} (digest of what ran)"), &expected.run_digest, &actual.run_digest)?;
    same(&format!("{what} (time of the start)"), &expected.started_at, &actual.started_at)?;
    same(&format!("{what} (time of the end)"), &expected.finished_at, &actual.finished_at)?;
    same(&format!("{what} (number of outputs)"), &expected.outputs.len(), &actual.outputs.len())?;
    for (expected, actual) in expected.outputs.iter().zip(&actual.outputs) {
        same(&format!("{what} (output)"), expected, actual)?;
    }
    Ok(())
}

fn same_extra(what: &str, expected: &Extra, actual: &Extra) -> Result<(), Failure> {
    let fields = |extra: &Extra| {
        extra
            .iter()
            .map(|(name, json)| (name.to_owned(), json.with_plain_characters().into_owned()))
            .collect::<Vec<_>>()
    };
    same(&format!("unknown fields of {what}"), &fields(expected), &fields(actual))
}

/// Fails unless both are equal. Long values are cut in the explanation.
pub(super) fn same<T: PartialEq + Debug>(what: &str, expected: &T, actual: &T) -> Result<(), Failure> {
    if expected == actual {
        return Ok(());
    }
    let show = |value: &T| format!("{value:?}").chars().take(400).collect::<String>();
    Err(Failure::new(format!("{what}: stored {}, loaded {}", show(expected), show(actual))))
}

/// Fails unless the call was refused in the expected way.
pub(super) fn refused<T: Debug>(
    what: &str,
    answer: Result<T, StoreError>,
    expected: impl FnOnce(&StoreError) -> bool,
) -> Result<(), Failure> {
    match answer {
        Err(error) if expected(&error) => Ok(()),
        other => Err(Failure::new(format!("{what}: answered {other:?}"))),
    }
}

pub(super) fn is_not_found(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound { .. })
}

pub(super) fn is_mismatch(error: &StoreError) -> bool {
    matches!(error, StoreError::RevisionMismatch { .. })
}

pub(super) fn exists(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyExists { .. })
}

/// An editor of one notebook.
#[derive(Debug)]
pub(super) struct Editor<'a> {
    pub(super) store: &'a dyn NotebookStore,
    pub(super) open: OpenNotebook,
}

impl<'a> Editor<'a> {
    /// Stores a new notebook and edits it.
    pub(super) async fn create(store: &'a dyn NotebookStore, notebook: Notebook) -> Result<Self, Failure> {
        let open = OpenNotebook::open(notebook);
        store.create(open.notebook(), None).await?;
        Ok(Self { store, open })
    }

    /// Edits a stored notebook.
    pub(super) async fn load(store: &'a dyn NotebookStore, id: &NotebookId) -> Result<Self, Failure> {
        Ok(Self::of(store, load(store, id).await?.notebook))
    }

    /// Edits a notebook as it was loaded.
    pub(super) fn of(store: &'a dyn NotebookStore, notebook: Notebook) -> Self {
        Self { store, open: OpenNotebook::open(notebook) }
    }

    pub(super) fn notebook(&self) -> &Notebook {
        self.open.notebook()
    }

    pub(super) fn cell(&self, id: &str) -> Result<Arc<Cell>, Failure> {
        let found = self.open.cell(&CellId::new(id)?).cloned();
        found.ok_or_else(|| Failure::new(format!("no cell {id}")))
    }

    /// Applies an edit that changes something, without storing it.
    pub(super) fn apply(&mut self, edit: &Edit) -> Result<Arc<Change>, Failure> {
        let later = self.notebook().updated_at + std::time::Duration::from_millis(1_500);
        let change = self.open.apply(edit, None, later)?;
        Ok(Arc::new(change.ok_or_else(|| Failure::new(format!("{edit:?} changes nothing")))?))
    }

    /// Stores changes that were applied to `base`.
    pub(super) async fn commit(&self, base: Base, changes: &[Arc<Change>]) -> Result<Version, StoreError> {
        Ok(self.commit_as(new_commit(), base, changes).await?.version)
    }

    pub(super) async fn commit_as(
        &self,
        id: CommitId,
        base: Base,
        changes: &[Arc<Change>],
    ) -> Result<Committed, StoreError> {
        let commit = Commit { id, base, changes, after: self.notebook(), records: &[] };
        self.store.commit(commit).await
    }

    /// Applies and stores one edit.
    pub(super) async fn edit(&mut self, edit: &Edit) -> Result<Version, Failure> {
        let base = self.notebook().base();
        let change = self.apply(edit)?;
        Ok(self.commit(base, &[change]).await?)
    }
}

pub(super) fn new_commit() -> CommitId {
    CommitId(Uuid::new_v4())
}

/// Returns the time that is this many microseconds after a fixed one.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_timestamp_micros(1_767_225_600_000_000 + micros).unwrap_or_default()
}
