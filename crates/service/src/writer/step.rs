//! Inputs and steps of a writer task's state machine.

use std::sync::Arc;

use quire_domain::{
    Analysis, Base, CellType, Change, ConnectionString, Notebook, NotebookId, NotebookSize, OpenNotebook,
    StoredConnection, UserId,
};
use quire_storage::{Commit, CommitId, Committed, IdempotencyRecord, Loaded, StoreError, StoredVersion, Version};
use tokio::sync::oneshot;

use crate::command::{DeleteCommand, EditCommand};
use crate::{Edited, ServiceError};

/// An input of a writer task's state machine: a request, or the outcome of the last step.
#[derive(Debug)]
pub(super) enum Input {
    /// Edits that were queued together.
    Edits(Vec<EditCommand>),
    /// A deletion.
    Delete(DeleteCommand),
    /// A hint that the stored notebook may differ from the known one.
    Refresh,
    /// Outcome of [`Step::Seal`]; absent if the connection string does not change.
    Sealed(Result<Option<StoredConnection>, ServiceError>),
    /// Outcome of [`Step::Analyse`].
    Analysed(Result<Arc<Analysis>, ServiceError>),
    /// Outcome of [`Step::Commit`].
    Committed(Result<Committed, StoreError>),
    /// Outcome of [`Step::Record`].
    Recorded(Result<(), StoreError>),
    /// Outcome of [`Step::Delete`].
    Deleted(Result<(), StoreError>),
    /// Outcome of [`Step::LookUp`].
    LookedUp(Result<Option<StoredVersion>, StoreError>),
    /// Outcome of [`Step::SetAside`]: the id of the copy.
    SetAside(Result<NotebookId, StoreError>),
    /// Outcome of [`Step::Load`].
    Loaded(Result<Option<Loaded>, StoreError>),
    /// Outcome of [`Step::Reopen`]: the later state, and the change to it.
    Reopened(Result<Box<(OpenNotebook, Option<Change>)>, ServiceError>),
}

/// A step that a writer task executes. The steps up to [`Step::Reopen`] have an outcome, which is the next [`Input`].
#[derive(Debug)]
pub(super) enum Step {
    /// Seal the connection string that the owner entered.
    Seal(ConnectionString),
    /// Analyse a cell's code.
    Analyse(CellType, Arc<str>),
    /// Make changes durable.
    Commit(Arc<PendingCommit>),
    /// Store the idempotency records of edits that changed nothing.
    Record(Arc<PendingCommit>),
    /// Delete the notebook from the store.
    Delete(Base, Option<IdempotencyRecord>),
    /// Look up the stored version.
    LookUp,
    /// Store a copy of the published state as another notebook, unless the database has that state after all.
    SetAside,
    /// Load the stored notebook.
    Load,
    /// Open the loaded notebook and compare it with the published one.
    Reopen(Notebook),

    /// Publish a durable state to readers and watchers.
    Publish(Publication),
    /// Tell watchers that this notebook has the state that the database has lost.
    TellRecovered(NotebookId),
    /// Reply to a request.
    Reply(Reply),
    /// Tell watchers that the notebook, whose last state this is, was deleted, and end.
    EndDeleted(Notebook),
    /// End because the stored notebook cannot be taken over.
    EndWithError(ServiceError),
    /// Log that the stored state is in doubt, for the first time or still.
    ReportInDoubt { error: StoreError, is_first: bool },
}

/// Changes of one commit, with the idempotency records of their requests.
#[derive(Debug)]
pub(super) struct PendingCommit {
    pub(super) id: CommitId,
    pub(super) owner: UserId,
    base: Base,
    pub(super) changes: Vec<Arc<Change>>,
    after: Notebook,
    pub(super) records: Vec<IdempotencyRecord>,
}

impl PendingCommit {
    pub(super) fn new(
        id: CommitId,
        base: Base,
        (changes, after): (Vec<Arc<Change>>, Notebook),
        records: Vec<IdempotencyRecord>,
    ) -> Self {
        Self { id, owner: after.owner.clone(), base, changes, after, records }
    }

    /// Returns the argument of the store call.
    pub(super) fn as_commit(&self) -> Commit<'_> {
        let Self { id, base, changes, after, records, .. } = self;
        Commit { id: *id, base: *base, changes, after, records }
    }
}

/// A durable state, and the changes that led to it.
#[derive(Debug)]
pub(super) struct Publication {
    /// Each change, with the notebook right after it.
    pub(super) changes: Vec<(Arc<Change>, Notebook)>,
    pub(super) snapshot: Snapshot,
    pub(super) version: Version,
}

/// Snapshot of an open notebook.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) notebook: Notebook,
    pub(crate) size: NotebookSize,
    pub(crate) graph_bytes: usize,
    /// Bytes of memory of the notebook with its graph.
    pub(crate) memory_bytes: usize,
}

impl From<&OpenNotebook> for Snapshot {
    fn from(open: &OpenNotebook) -> Self {
        Self {
            notebook: open.notebook().clone(),
            size: open.size(),
            graph_bytes: open.graph().memory_bytes(),
            memory_bytes: open.memory_bytes(),
        }
    }
}

/// The reply channel of a request, and the outcome to send on it.
#[derive(Debug)]
pub(super) enum Reply {
    Edit(oneshot::Sender<Result<Edited, ServiceError>>, Result<Edited, ServiceError>),
    Delete(oneshot::Sender<Result<(), ServiceError>>, Result<(), ServiceError>),
}

impl Reply {
    /// Sends the reply. It is dropped if the caller is gone; the change remains.
    pub(super) fn send(self) {
        match self {
            Self::Edit(reply, outcome) => drop(reply.send(outcome)),
            Self::Delete(reply, outcome) => drop(reply.send(outcome)),
        }
    }
}
