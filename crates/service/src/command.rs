//! What a notebook's writer task is asked to do.

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
    /// Tell watchers something of a run that goes on.
    Tell { update: Arc<RunUpdate>, reply: oneshot::Sender<Result<Seq, ServiceError>> },
    /// Read what is stored if there is a hint that others changed the notebook, or if this version is not known yet; then
    /// answer whoever waits for that.
    Refresh { newer: Option<StoredVersion>, reply: Option<oneshot::Sender<()>> },
    /// Begin a subscription, or go on after the last event seen.
    Subscribe { last: Option<Seq>, reply: oneshot::Sender<Result<Option<Subscription>, ServiceError>> },
    /// End to make room, unless the notebook is watched and that counts.
    Retire { even_watched: bool },
    /// End.
    Close,
}

/// An edit, waiting for its answer.
#[derive(Debug)]
pub(crate) struct EditCommand {
    pub(crate) request: EditRequest,
    pub(crate) reply: oneshot::Sender<Result<Edited, ServiceError>>,
}

/// An edit that the notebook's owner asks for.
#[derive(Clone, Debug)]
pub(crate) struct EditRequest {
    pub(crate) context: RequestContext,
    pub(crate) expected: Expected,
    /// A connection string that is set may be one that was entered and is not sealed yet.
    pub(crate) edit: Edit,
    /// The cell that it makes, for the record of the outcome.
    pub(crate) made: Option<CellId>,
    /// The digest of the code that the cell must have; with other code, or without the cell, nothing is changed.
    pub(crate) code_digest: Option<Arc<str>>,
}

impl EditRequest {
    pub(crate) fn new(context: impl Into<RequestContext>, expected: impl Into<Expected>, edit: Edit) -> Self {
        let (context, expected) = (context.into(), expected.into());
        Self { context, expected, edit, made: None, code_digest: None }
    }

    /// The record to store with the change; nothing for a request without a key.
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

/// A deletion by the notebook's owner, waiting for its answer.
#[derive(Debug)]
pub(crate) struct DeleteCommand {
    pub(crate) context: RequestContext,
    pub(crate) expected: Expected,
    pub(crate) reply: oneshot::Sender<Result<(), ServiceError>>,
}
