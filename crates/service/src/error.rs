//! Errors of use cases, divided by the remedy for the user.

use quire_domain::limits::Invalid;
use quire_domain::{CellId, EditError, InvalidId, NotebookId, Revision, StoredConnection, Timestamp};
use quire_files::ParseError;
use quire_storage::StoreError;

use uuid::Uuid;

use crate::{ChangedSince, KnownState};

const MIB: usize = 1024 * 1024;

/// Reason for which a use case was refused or failed. Nothing was changed, unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such notebook.
    #[error("there is no notebook {0}")]
    UnknownNotebook(String),
    /// The notebook belongs to another user.
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
        /// The cells that have changed since.
        changed: ChangedSince,
    },
    /// The notebook has reached the highest revision. A copy of it begins at the first one.
    #[error("the notebook is at the last revision there can be; copy it to go on")]
    LastRevision,
    /// The request would exceed the quota of the user.
    #[error("you may keep {most} {what} at most and have {has}; delete notebooks or cells to make room")]
    OverQuota {
        /// The unit: `notebooks` or `bytes`.
        what: &'static str,
        /// The amount that the user keeps now.
        has: u64,
        /// The maximum amount.
        most: u64,
    },
    /// The notebook takes more memory than the server gives one notebook.
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
    /// No memory is left for the notebook, because the user's other notebooks, which are watched, take it.
    #[error("the server has no memory left for this notebook; close others, or try again later")]
    MemoryFull,
    /// The user has too much work of one kind in flight.
    #[error("you have too many {what} under way: {waiting} wait already; try again when some of them are done")]
    TooMuchAtOnce {
        /// The kind of work.
        what: &'static str,
        /// The maximum number that may wait.
        waiting: usize,
    },
    /// All users together have too much work of one kind in flight.
    #[error("the server has too many {what} under way; try again in a moment")]
    Busy {
        /// The kind of work.
        what: &'static str,
    },
    /// A piece of work exceeds the maximum cost of its kind.
    #[error("the limit for {what} is {max_cost} bytes each, and this one takes at least {cost}")]
    TooCostly {
        /// The kind of work.
        what: &'static str,
        /// Its minimum cost, in bytes.
        cost: u64,
        /// The maximum cost, in bytes.
        max_cost: u64,
    },
    /// A value exceeds a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A text is not a valid id.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// A connection string contains the mask in place of a password, and has another change, which could send the password
    /// to another server or without encryption.
    #[error(
        "the connection string holds the mask that stands for a password: beside it only the database and parameters such as application_name can change; enter the password again to change more"
    )]
    PasswordMasked,
    /// A connection string cannot be told from a sealed one.
    #[error("a connection string cannot begin with {:?}, which marks sealed ones", StoredConnection::SEALED_PREFIX)]
    LooksSealed,
    /// A connection string may not be stored unsealed, and there is no key to seal it with.
    #[error(
        "the server has no secret key and so cannot keep a connection string; its operator must set QUIRE_SECRET_KEY"
    )]
    NoSecretKey,
    /// A file is not a notebook, or exceeds a limit.
    #[error(transparent)]
    NoNotebook(#[from] ParseError),
    /// Other servers have changed the notebook at each attempt of this edit.
    #[error("notebook {0} is being changed too quickly by others; try again")]
    Contended(NotebookId),
    /// The idempotency key was used for another request.
    #[error("this key was used for another request; take a new key for a new request")]
    KeyReused,
    /// The outcome of a request with a key is unknown: it was interrupted, or its refusal may be due to its own earlier effect.
    #[error("it is not known whether the request had its effect")]
    Unfinished,
    /// The service executes nothing.
    #[error(
        "this server runs no cells: signed-in users' code is run only by a server that was started with --allow-execution, on a machine that is set up for it"
    )]
    ExecutionOff,
    /// Another server has the notebook's kernel.
    #[error("the notebook's kernel is at the server {address}, since {}: run its cells there; another server can run them when that kernel has ended", since.format("%Y-%m-%d %H:%M:%S UTC"))]
    KernelElsewhere {
        /// The address of that server, for people.
        address: String,
        /// The time since which it has the kernel.
        since: Timestamp,
    },
    /// The run is not remembered.
    #[error(
        "there is no run {0} of this notebook; only the last ones are remembered, until the server or the kernel ends"
    )]
    UnknownRun(Uuid),
    /// Too many runs of the notebook wait.
    #[error("too many runs of this notebook wait already; try again when some of them are done")]
    TooManyRuns,
    /// The service is read-only.
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
            // Ids of new cells are random, so this is an internal failure.
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

/// Copies a failure without its causes, for each request that shared a call to the store.
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

/// Returns `true` if a failure concerns every edit of a group, so that retrying them singly would be useless or harmful.
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
