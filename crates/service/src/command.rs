//! Commands to a notebook's writer task.

use std::sync::Arc;

use quire_domain::{CellId, Edit, NotebookId, Timestamp};
use quire_storage::{IdempotencyRecord, StoreError, StoredVersion};
use tokio::sync::oneshot;

use crate::conflict::Expected;
use crate::event::{RunUpdate, Seq};
use crate::subscription::Subscription;
use crate::{Created, Edited, RequestContext, ServiceError};

/// A request to a writer task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Apply an edit.
    Edit(EditCommand),
    /// Delete the notebook.
    Delete(DeleteCommand),
    /// Send an update of a run to watchers.
    Tell { update: Arc<RunUpdate>, reply: oneshot::Sender<Result<Seq, ServiceError>> },
    /// Refresh the notebook if there is a hint that another server has changed it, or if this version is not known yet; then
    /// reply to a waiting caller.
    Refresh { newer: Option<StoredVersion>, reply: Option<oneshot::Sender<bool>> },
    /// Begin a subscription, or resume one after the last event that its watcher has seen.
    Subscribe { last: Option<Seq>, reply: oneshot::Sender<Result<Option<Subscription>, ServiceError>> },
    /// Reply when all earlier commands have been executed.
    Barrier { reply: oneshot::Sender<Result<(), ServiceError>> },
    /// End to release memory, unless the notebook is watched and `even_watched` is `false`.
    Retire { even_watched: bool },
    /// End.
    Close,
}

/// An edit, with the channel of its reply.
#[derive(Debug)]
pub(crate) struct EditCommand {
    pub(crate) request: EditRequest,
    pub(crate) reply: oneshot::Sender<Result<Edited, ServiceError>>,
}

/// An edit as the notebook's owner requests it.
#[derive(Clone, Debug)]
pub(crate) struct EditRequest {
    pub(crate) context: RequestContext,
    pub(crate) expected: Expected,
    /// The edit. A connection string in it may not be sealed yet.
    pub(crate) edit: Edit,
    /// The cell that the edit creates, for the idempotency record.
    pub(crate) made: Option<CellId>,
    /// The digest of the code that the cell must have; otherwise the edit changes nothing.
    pub(crate) code_digest: Option<Arc<str>>,
}

impl EditRequest {
    pub(crate) fn new(context: impl Into<RequestContext>, expected: impl Into<Expected>, edit: Edit) -> Self {
        let (context, expected) = (context.into(), expected.into());
        Self { context, expected, edit, made: None, code_digest: None }
    }

    /// Returns the idempotency record to store with the change; `None` for a request without a key.
    pub(crate) fn record(
        &self,
        notebook: &NotebookId,
        edited: &Edited,
        at: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        match &self.made {
            Some(cell) => self.context.record(notebook, &Created { cell: cell.clone(), edited: edited.clone() }, at),
            None => self.context.record(notebook, edited, at),
        }
    }
}

/// A deletion by the notebook's owner, with the channel of its reply.
#[derive(Debug)]
pub(crate) struct DeleteCommand {
    pub(crate) context: RequestContext,
    pub(crate) expected: Expected,
    pub(crate) reply: oneshot::Sender<Result<(), ServiceError>>,
}
