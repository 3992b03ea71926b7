//! What a notebook's writer is asked to do.

use std::sync::Arc;

use quire_domain::{CellId, ConnectionString, Edit, NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyRecord, StoreError};
use tokio::sync::oneshot;

use crate::conflict::Expected;
use crate::event::{Seq, Watch};
use crate::idempotency::IdempotencyContext;
use crate::{Created, Edited, ServiceError};

/// What a writer is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Apply an edit.
    Edit(EditCommand),
    /// Delete the notebook.
    Delete {
        user: UserId,
        expected: Expected,
        context: Option<Arc<IdempotencyContext>>,
        reply: oneshot::Sender<Result<(), ServiceError>>,
    },
    /// Look for a hint that others changed the notebook, then tell whoever waits for that.
    Refresh { reply: Option<oneshot::Sender<()>> },
    /// Begin watching, or go on after the last event seen.
    Watch { last: Option<Seq>, reply: oneshot::Sender<Result<Option<Watch>, ServiceError>> },
    /// End to make room, unless the notebook is watched and that counts.
    Retire { even_watched: bool },
    /// End.
    Close,
}

/// One user's edit, waiting for its answer.
#[derive(Debug)]
pub(crate) struct EditCommand {
    pub(crate) user: UserId,
    pub(crate) expected: Expected,
    pub(crate) request: EditRequest,
    /// Whose answer is to be kept.
    pub(crate) keep: Option<RecordOnCommit>,
    pub(crate) reply: oneshot::Sender<Result<Edited, ServiceError>>,
}

/// A request whose answer is to be kept when the revision is known.
#[derive(Clone, Debug)]
pub(crate) struct RecordOnCommit {
    pub(crate) context: Arc<IdempotencyContext>,
    /// The cell that it makes.
    pub(crate) made: Option<CellId>,
}

impl RecordOnCommit {
    pub(crate) fn answer(
        &self,
        notebook: &NotebookId,
        edited: &Edited,
        at: Timestamp,
    ) -> Result<IdempotencyRecord, StoreError> {
        match &self.made {
            Some(cell) => self.context.answer(notebook, &Created { cell: cell.clone(), edited: edited.clone() }, at),
            None => self.context.answer(notebook, edited, at),
        }
    }
}

/// What a user wants changed.
#[derive(Clone, Debug)]
pub(crate) enum EditRequest {
    /// This.
    Edit(Edit),
    /// The connection string that they entered; which edit that is depends on the one that there is.
    Connect(ConnectionString),
}

impl From<Edit> for EditRequest {
    fn from(edit: Edit) -> Self {
        // One that is not sealed takes the way of one that was entered, whoever made the edit.
        match &edit {
            Edit::SetConnection { connection: Some(stored) } => stored.plain().map_or(Self::Edit(edit), Self::Connect),
            _ => Self::Edit(edit),
        }
    }
}
