//! What a writer task's decisions are made on, and what they are.

use std::sync::Arc;

use quire_domain::{
    Analysis, Base, CellType, Change, ConnectionString, Notebook, NotebookId, NotebookSize, OpenNotebook,
    StoredConnection, UserId,
};
use quire_storage::{Commit, CommitId, Committed, IdempotencyRecord, Loaded, StoreError, StoredVersion, Version};
use tokio::sync::oneshot;

use crate::command::{DeleteCommand, EditCommand};
use crate::{Edited, ServiceError};

/// An input of a writer task's decisions: a request, or the outcome of its last step.
#[derive(Debug)]
pub(super) enum Input {
    /// Edits that have come together.
    Edits(Vec<EditCommand>),
    /// A deletion.
    Delete(DeleteCommand),
    /// The stored notebook may be another than the one that is known.
    Look,
    /// Outcome of [`Step::Seal`]; nothing when there is nothing to change.
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
    /// Outcome of [`Step::SetAside`]: the copy.
    SetAside(Result<NotebookId, StoreError>),
    /// Outcome of [`Step::Load`].
    Loaded(Result<Option<Loaded>, StoreError>),
    /// Outcome of [`Step::Reopen`]: the later state, and what is different.
    Reopened(Result<Box<(OpenNotebook, Option<Change>)>, ServiceError>),
}

/// A step that a writer task takes next. Those of the first kind have an outcome, which is the next [`Input`].
#[derive(Debug)]
pub(super) enum Step {
    /// Seal the connection string that the owner entered.
    Seal(ConnectionString),
    /// Analyse a cell's code.
    Analyse(CellType, Arc<str>),
    /// Make changes durable.
    Commit(Arc<PendingCommit>),
    /// Store the records of edits that found nothing to change.
    Record(Arc<PendingCommit>),
    /// Delete the notebook from the store.
    Delete(Base, Option<IdempotencyRecord>),
    /// Look up the stored version.
    LookUp,
    /// Store the published state as a notebook of its own, unless the database has it after all.
    SetAside,
    /// Load what is stored.
    Load,
    /// Open the notebook that was loaded and compare it with what is published.
    Reopen(Notebook),

    /// Let readers and watchers see what is durable.
    Publish(Publication),
    /// Tell watchers that what the database has lost is in this notebook.
    TellRecovered(NotebookId),
    /// Answer a request.
    Answer(Answer),
    /// Tell watchers that the notebook, of which this was the last state, is gone, and end.
    Vanish(Notebook),
    /// End because others have made more of the notebook than can be taken over.
    Leave(ServiceError),
    /// Report that it is not known what is stored, for the first time or still.
    Doubt { error: StoreError, is_first: bool },
}

/// Changes that become durable together, with the records of the requests that made them.
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

    /// The call to the store.
    pub(super) fn as_commit(&self) -> Commit<'_> {
        let Self { id, base, changes, after, records, .. } = self;
        Commit { id: *id, base: *base, changes, after, records }
    }
}

/// A durable state, and the changes that led there.
#[derive(Debug)]
pub(super) struct Publication {
    /// Each change, with the notebook right after it.
    pub(super) changes: Vec<(Arc<Change>, Notebook)>,
    pub(super) snapshot: Snapshot,
    pub(super) version: Version,
}

/// An open notebook as it was at one moment.
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

/// An answer, and the request that waits for it.
#[derive(Debug)]
pub(super) enum Answer {
    Edit(oneshot::Sender<Result<Edited, ServiceError>>, Result<Edited, ServiceError>),
    Delete(oneshot::Sender<Result<(), ServiceError>>, Result<(), ServiceError>),
}

impl Answer {
    /// Gives the answer; a client that went away does not take its request back.
    pub(super) fn send(self) {
        match self {
            Self::Edit(reply, outcome) => drop(reply.send(outcome)),
            Self::Delete(reply, outcome) => drop(reply.send(outcome)),
        }
    }
}
