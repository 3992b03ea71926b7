//! Errors between the store and the database, and their translation for callers of the store trait.

use std::sync::Arc;

use quire_domain::{NotebookId, Revision};
use quire_migration::tidied;
use quire_storage::StoreError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::url::DatabaseUrlError;

/// Reason why a database cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The settings are invalid.
    #[error(transparent)]
    Settings(#[from] DatabaseUrlError),
    /// The database cannot be reached, or refuses access.
    #[error("cannot open the database: {reason}")]
    Unreachable {
        /// Reason, without secrets.
        reason: String,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Failure of a call, before it is attributed to a notebook.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no such notebook")]
    NotFound,
    #[error("the notebook is there already")]
    Exists,
    #[error("the notebook is no longer at revision {0}")]
    Mismatch(Revision),
    #[error("the same request was answered before")]
    AlreadyRecorded,
    #[error("table {table}{}{}: {reason}", of(", column", Some(*column).filter(|column| !column.is_empty())), of(" of", row.as_deref()))]
    Row { table: &'static str, column: &'static str, row: Option<String>, reason: String },
    #[error("the parameter {0} of a statement is missing or unknown")]
    Parameter(&'static str),
    #[error("a value cannot be written as JSON")]
    Unwritable(#[from] serde_json::Error),
    #[error("the operating system gives no random numbers")]
    NoRandom(#[from] getrandom::Error),
    #[error("all connections to the database are in use")]
    PoolExhausted,
    #[error("the program does not use the database yet")]
    Held,
    #[error("the settings of the connection are not valid any more")]
    Settings(#[from] DatabaseUrlError),
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// The database refused: nothing was changed.
    #[error("the database refuses")]
    Refused(#[source] Refusal),
    /// The statement was sent, or may have been, and no answer came.
    #[error("the connection to the database was lost")]
    Lost(#[source] sqlx::Error),
    /// As [`Self::Lost`]: no answer came within the database's own time-out.
    #[error("the database does not answer")]
    Silent,
    /// The caller repeats a commit whose first outcome is unknown.
    #[error("an earlier try of the same change may have succeeded")]
    Unsettled,
    /// A look-up did not resolve the unknown outcome of a statement.
    #[error("it is not known whether the change was stored")]
    Unknown(#[source] Box<Error>),
}

/// A definite refusal. Only the parts of the database's answer without content are kept, because its details repeat
/// whole rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "PostgreSQL error {code}{}{}",
        constraint.as_ref().map(|constraint| format!(", constraint {constraint}")).unwrap_or_default(),
        message.as_ref().map(|message| format!(": {message}")).unwrap_or_default()
    )]
    Answer { code: String, constraint: Option<String>, message: Option<String> },
    #[error(transparent)]
    Ours(sqlx::Error),
    #[error(transparent)]
    SeaOrm(DbErr),
}

fn of(word: &str, name: Option<&str>) -> String {
    name.map(|name| format!("{word} {name}")).unwrap_or_default()
}

impl Error {
    /// Classifies the error of a statement's execution: an answer of the database, or none.
    pub(crate) fn executing(error: sqlx::Error) -> Self {
        let answer = error.as_database_error().and_then(|answer| answer.try_downcast_ref::<PgDatabaseError>());
        match (answer, &error) {
            // The server ends the connection, either before or after the statement took effect.
            (Some(answer), _) if matches!(answer.severity(), PgSeverity::Fatal | PgSeverity::Panic) => {
                Self::Lost(tidied(error))
            }
            (Some(answer), _) if answer.code().starts_with("08") => Self::Lost(tidied(error)),
            (Some(answer), _) if answer.code() == "23505" && answer.constraint() == Some("idempotency_keys_pkey") => {
                Self::AlreadyRecorded
            }
            (Some(answer), _) => Self::Refused(Refusal::Answer {
                code: answer.code().to_owned(),
                constraint: answer.constraint().map(str::to_owned),
                // Messages about data repeat the data.
                message: Some(answer.message().to_owned()).filter(|_| !answer.code().starts_with("22")),
            }),
            (
                None,
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed,
            ) => Self::Lost(error),
            // Building the statement or reading the answer failed: a bug of this crate, such as a wrong column type.
            (None, _) => Self::Refused(Refusal::Ours(error)),
        }
    }

    /// Returns `true` if the database is reachable and overloaded.
    pub(crate) fn is_overload(&self) -> bool {
        matches!(self, Self::PoolExhausted) || self.code().as_deref() == Some("53300")
    }

    /// Returns PostgreSQL's code, if it answered.
    fn code(&self) -> Option<String> {
        match self {
            Self::Refused(Refusal::Answer { code, .. }) => Some(code.clone()),
            Self::Connect(error) => code(error),
            _ => None,
        }
    }

    /// Returns the code of a definite refusal.
    #[cfg(test)]
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(Refusal::Answer { code, .. }) => Some(code),
            _ => None,
        }
    }

    /// Returns `true` for the answers that prepared statements get through a pooler in transaction mode: the name is
    /// taken, or the statement does not exist. If the name belongs to another statement with other parameters, the
    /// answer (08P01) ends the connection, and the next new connection detects the pooler.
    pub(crate) fn shows_pooler(&self) -> bool {
        matches!(self, Self::Refused(_)) && matches!(self.code().as_deref(), Some("42P05" | "26000"))
    }

    /// Returns `true` if the server at the other end has become read-only, as an old primary does after a failover.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, Self::Refused(_)) && self.code().as_deref() == Some("25006")
    }

    /// Returns `true` if the database refuses every write and may go on reading: it is read-only, or its disk is full.
    pub(crate) fn is_write_refusal(&self) -> bool {
        self.is_read_only() || self.code().as_deref() == Some("53100")
    }

    /// Returns `true` if a call may or may not have taken effect.
    pub(crate) fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Silent)
    }

    /// Converts the failure of a look-up if no outcome is in doubt: a lost read leaves no outcome in doubt either.
    pub(crate) fn of_look_up(self) -> Self {
        match self {
            Self::Lost(error) => Self::Connect(error),
            Self::Silent => Self::Connect(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            other => other,
        }
    }

    /// Converts the error for a caller; `verb` names the operation on the notebook.
    pub(crate) fn of(self, id: &NotebookId, verb: &str) -> StoreError {
        let id = id.clone();
        match self {
            Self::NotFound => StoreError::NotFound { id },
            Self::Exists => StoreError::AlreadyExists { id },
            Self::Mismatch(expected) => StoreError::RevisionMismatch { id, expected },
            Self::Row { .. } => StoreError::Damaged { reason: self.to_string(), id },
            Self::Refused(_) if self.code().as_deref() == Some("53100") => {
                StoreError::Full { id, reason: "the database's disk is full".to_owned() }
            }
            Self::Lost(_) | Self::Silent | Self::Unsettled | Self::Unknown(_) => StoreError::OutcomeUnknown { id },
            other => other.of_any(&format!("{verb} notebook {id}")),
        }
    }

    /// Converts the error for a caller that loaded this notebook.
    pub(crate) fn of_load(self, id: &NotebookId) -> StoreError {
        match self {
            Self::Row { .. } => self.of(id, "load"),
            other => other.of_read(&format!("load notebook {id}")),
        }
    }

    /// Converts the error for a caller that changed nothing, so that no outcome is in doubt; `action` is a verb phrase.
    pub(crate) fn of_read(self, action: &str) -> StoreError {
        match self {
            Self::Lost(_) | Self::Silent => unavailable("the connection to the database was lost", self),
            other => other.of_any(action),
        }
    }

    fn of_any(self, action: &str) -> StoreError {
        let overloaded = |reason: &str, error| StoreError::Overloaded {
            reason: reason.to_owned(),
            source: Some(Box::<Self>::new(error)),
        };
        match self.code().as_deref().unwrap_or_default() {
            _ if matches!(self, Self::AlreadyRecorded) => StoreError::AlreadyRecorded,
            "53300" => overloaded("the database takes no more connections", self),
            "53000" | "53200" | "53400" => overloaded("the database is short of resources", self),
            "55P03" | "57014" => overloaded("the database took too long", self),
            "42P05" | "26000" => {
                overloaded("a pooler stands before the database: its URL needs `pgbouncer=true`", self)
            }
            "40001" | "40P01" => overloaded("the database asks to try again", self),
            "25006" => unavailable("the database is read-only", self),
            "53100" => unavailable("the database's disk is full", self),
            "28000" | "28P01" => unavailable("the database refuses the user or password", self),
            "3D000" => unavailable("there is no such database", self),
            "57P03" => unavailable("the database is starting or stopping", self),
            _ if matches!(self, Self::PoolExhausted) => overloaded("all connections to the database are in use", self),
            _ if matches!(self, Self::Held) => unavailable(
                "this server does not use the database yet: it is away, or another server may hold it",
                self,
            ),
            _ if matches!(self, Self::Settings(_)) => unavailable("the database's password cannot be read", self),
            _ if matches!(self, Self::Connect(_)) => unavailable("the database cannot be reached", self),
            _ => StoreError::Backend { action: action.to_owned(), source: Box::new(self) },
        }
    }
}

impl From<Error> for DbErr {
    /// Wraps an error for SeaORM's queries; [`Error::from`] recovers it.
    fn from(error: Error) -> Self {
        Self::Query(RuntimeErr::SqlxError(Arc::new(sqlx::Error::AnyDriverError(Box::new(error)))))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error)) => {
                match Arc::try_unwrap(error) {
                    Ok(sqlx::Error::AnyDriverError(inner)) => match inner.downcast() {
                        Ok(ours) => *ours,
                        Err(inner) => Self::executing(sqlx::Error::AnyDriverError(inner)),
                    },
                    Ok(error) => Self::executing(error),
                    Err(shared) => Self::Refused(Refusal::SeaOrm(DbErr::Query(RuntimeErr::SqlxError(shared)))),
                }
            }
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Self::Connect(sqlx::Error::PoolClosed),
            DbErr::ConnectionAcquire(_) => Self::PoolExhausted,
            DbErr::Conn(RuntimeErr::SqlxError(error)) => match Arc::try_unwrap(error) {
                Ok(error) => Self::Connect(error),
                Err(shared) => Self::Refused(Refusal::SeaOrm(DbErr::Conn(RuntimeErr::SqlxError(shared)))),
            },
            other => Self::Refused(Refusal::SeaOrm(other)),
        }
    }
}

fn unavailable(reason: &str, error: Error) -> StoreError {
    StoreError::Unavailable { reason: reason.to_owned(), source: Some(Box::new(error)) }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        let reason = match error.of_read("open the database") {
            StoreError::Unavailable { reason, source } | StoreError::Overloaded { reason, source } => (reason, source),
            other => (other.to_string(), None),
        };
        let (reason, source) = reason;
        Self::Unreachable { source: source.unwrap_or_else(|| reason.clone().into()), reason }
    }
}

/// Returns PostgreSQL's code of an error that the database answered (appendix A of its manual).
pub(crate) fn code(error: &sqlx::Error) -> Option<String> {
    quire_migration::error_code(error).map(std::borrow::Cow::into_owned)
}
