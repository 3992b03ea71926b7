//! What can go wrong in a use case, by what the user can do about it.

use quire_domain::limits::Invalid;
use quire_domain::{CellId, EditError, InvalidId, NotebookId, Revision, StoredConnection};
use quire_files::ParseError;
use quire_storage::StoreError;

use crate::{ChangedSince, KnownState};

const MIB: usize = 1024 * 1024;

/// Why a use case was refused or failed. Unless it says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such notebook.
    #[error("there is no notebook {0}")]
    UnknownNotebook(String),
    /// The notebook is somebody else's.
    #[error("notebook {0} belongs to another user")]
    Foreign(NotebookId),
    /// The notebook has no such cell.
    #[error("the notebook has no such cell; it may have been deleted")]
    UnknownCell(CellId),
    /// The notebook has changed since the revision that the user expected.
    #[error("{}", conflict(expected, *current))]
    Conflict {
        /// The state that the user expected.
        expected: KnownState,
        /// The notebook's revision.
        current: Revision,
        /// The cells that are different since.
        changed: ChangedSince,
    },
    /// The notebook has had as many edits as a revision can count; a copy of it begins anew.
    #[error("the notebook is at the last revision there can be; copy it to go on")]
    LastRevision,
    /// The user would keep more than one may.
    #[error("you may keep {most} {what} at most and have {has}; delete notebooks or cells to make room")]
    OverQuota {
        /// Of what: `notebooks` or `bytes`.
        what: &'static str,
        /// The amount that there is.
        has: u64,
        /// The maximum amount.
        most: u64,
    },
    /// The notebook takes more memory than the server gives one.
    #[error(
        "notebook {id} takes about {} MiB of memory, more than the {} MiB that the server gives one notebook; make it smaller, divide or delete it, or have the server's operator raise --memory-mib",
        bytes.div_ceil(MIB),
        max / MIB
    )]
    NotebookTooLarge {
        /// The notebook.
        id: NotebookId,
        /// The estimated bytes that it takes.
        bytes: usize,
        /// The maximum bytes that it may take.
        max: usize,
    },
    /// No memory is left for the notebook: the user's other notebooks, which are watched, take it.
    #[error("the server has no memory left for this notebook; close others, or try again later")]
    MemoryFull,
    /// The user has too much work of one kind under way.
    #[error("you have too many {what} under way: {waiting} wait already; try again when some of them are done")]
    TooMuchAtOnce {
        /// The kind of work.
        what: &'static str,
        /// The maximum number that may wait.
        waiting: usize,
    },
    /// All users together have too much work of one kind under way.
    #[error("the server has too many {what} under way; try again in a moment")]
    Busy {
        /// The kind of work.
        what: &'static str,
    },
    /// A piece of work would cost more than it may.
    #[error("the limit for {what} is {max_cost} bytes each, and this one takes at least {cost}")]
    TooCostly {
        /// The kind of work.
        what: &'static str,
        /// Its minimum cost, in bytes.
        cost: u64,
        /// The maximum cost, in bytes.
        max_cost: u64,
    },
    /// Something goes beyond a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A text that should be an id is none.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// A connection string with the mask in it that its owner was shown, and something else changed that may say where or
    /// how safely to connect.
    #[error(
        "the connection string holds the mask that stands for a password: beside it only the database and parameters such as application_name can change; enter the password again to change more"
    )]
    PasswordMasked,
    /// A connection string that could not be told from a sealed one.
    #[error("a connection string cannot begin with {:?}, which marks sealed ones", StoredConnection::SEALED_PREFIX)]
    LooksSealed,
    /// A connection string that may not be stored as it is, and there is no key to seal it with.
    #[error(
        "the server has no secret key and so cannot keep a connection string; its operator must set QUIRE_SECRET_KEY"
    )]
    NoSecretKey,
    /// A file is no notebook, or one beyond a limit.
    #[error(transparent)]
    NoNotebook(#[from] ParseError),
    /// Others changed the notebook again and again while this edit was tried.
    #[error("notebook {0} is being changed too quickly by others; try again")]
    Contended(NotebookId),
    /// The key of a request that was sent earlier, with another request.
    #[error("this key was used for another request; take a new key for a new request")]
    KeyReused,
    /// The work on a request with a key was cut off, or refused for a reason that may be the request's own earlier effect.
    #[error("it is not known whether the request had its effect")]
    Unfinished,
    /// The service was told to change nothing.
    #[error("the server is read-only while its notebooks are moved or looked after; nothing was changed")]
    ReadOnly,
    /// The service is shutting down.
    #[error("the server is shutting down")]
    Closing,
    /// The store refused or failed.
    #[error(transparent)]
    Store(StoreError),
}

fn conflict(expected: &KnownState, current: Revision) -> String {
    let expected = expected.revision;
    if expected == current {
        return "the notebook was deleted and made again since you read it; read it again".to_owned();
    }
    format!("the notebook is at revision {current}, not at the expected revision {expected}; read it again")
}

impl From<EditError> for ServiceError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::CellNotFound(id) => Self::UnknownCell(id),
            EditError::Invalid(invalid) => Self::Invalid(invalid),
            EditError::LastRevision => Self::LastRevision,
            // Ids of new cells are random, so this is a failure of ours.
            EditError::CellExists(_) => {
                Self::Store(StoreError::Backend { action: "insert a cell".to_owned(), source: Box::new(error) })
            }
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { id } => Self::UnknownNotebook(id.to_string()),
            other => Self::Store(other),
        }
    }
}

/// The same failure again, without its causes, for each request that shared a call to the store.
pub(crate) fn repeat(error: &StoreError) -> StoreError {
    match error {
        StoreError::NotFound { id } => StoreError::NotFound { id: id.clone() },
        StoreError::Damaged { id, reason } => StoreError::Damaged { id: id.clone(), reason: reason.clone() },
        StoreError::Full { id, reason } => StoreError::Full { id: id.clone(), reason: reason.clone() },
        StoreError::OutcomeUnknown { id } => StoreError::OutcomeUnknown { id: id.clone() },
        StoreError::Overloaded { reason, .. } => StoreError::Overloaded { reason: reason.clone(), source: None },
        StoreError::Unavailable { reason, .. } => StoreError::Unavailable { reason: reason.clone(), source: None },
        other => {
            let action = "serve requests together".to_owned();
            StoreError::Backend { action, source: other.to_string().into() }
        }
    }
}

/// Returns `true` if a failure says the same of every edit, so that trying them singly is of no use or would do harm.
pub(crate) fn ends_all(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::OutcomeUnknown { .. }
            | StoreError::NotFound { .. }
            | StoreError::Damaged { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Overloaded { .. }
    )
}
