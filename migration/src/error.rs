//! Errors that end a run early.

use std::time::Duration;

use crate::blocker::{self, Blocker};

/// Reason why a database was not brought to the schema, or not read. No message contains a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// No connection could be made.
    #[error("cannot connect to the database {place}")]
    Connect {
        /// Database, server and role.
        place: String,
        /// Cause.
        #[source]
        source: sqlx::Error,
    },
    /// No second connection could be made beside the one that holds the lock.
    #[error(
        "cannot open a second connection to the database {place}, and a run needs two at a time: one holds the lock, one works; \
         raise the connection limit of the role and the database, or the size of the pooler's pool"
    )]
    SecondConnection {
        /// Database, server and role.
        place: String,
        /// Cause.
        #[source]
        source: sqlx::Error,
    },
    /// The database refused an operation that belongs to no step.
    #[error("cannot {action}")]
    Database {
        /// The refused operation, as a verb phrase.
        action: &'static str,
        /// Cause.
        #[source]
        source: sqlx::Error,
    },
    /// The encoding of the database cannot hold every character.
    #[error(
        "the database {database:?} has the encoding {encoding}, which cannot hold every character: Quire needs UTF8. Make one with \
         `CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'`, and move what this one holds with pg_dump and pg_restore"
    )]
    Encoding {
        /// Name of the database.
        database: String,
        /// Its encoding, as `PostgreSQL` calls it.
        encoding: String,
    },
    /// A step failed. A transactional step was rolled back.
    #[error("cannot {action} step {name}")]
    Step {
        /// Name of the step.
        name: String,
        /// `apply` or `take back`.
        action: &'static str,
        /// Cause.
        #[source]
        source: sqlx::Error,
    },
    /// The connection that holds the lock broke, and the lock was lost with it.
    #[error("the lock that keeps others from migrating was lost; run `quire-migrate up` again")]
    LockLost {
        /// Cause.
        #[source]
        source: sqlx::Error,
    },
    /// Another run did not end in time.
    #[error("another run did not end within {} s: {}", waited.as_secs(), blocker::list(holders))]
    Busy {
        /// Time that this run waited.
        waited: Duration,
        /// Sessions of the other run.
        holders: Vec<Blocker>,
    },
    /// A step did not get its locks.
    #[error(
        "step {name} was tried {tries} times and rolled back each time, because of {}; end that transaction and try again",
        blocker::list(blockers)
    )]
    Blocked {
        /// Name of the step.
        name: String,
        /// Number of attempts.
        tries: u32,
        /// Sessions that blocked the last attempt.
        blockers: Vec<Blocker>,
    },
    /// The text of a step differs from the one that was applied.
    #[error(
        "step {name} was changed after it was applied: this build's text has another checksum than the one recorded; \
         a published step is never edited, so take its text back and put the change into a new step"
    )]
    Changed {
        /// Name of the step.
        name: String,
    },
    /// The database contains steps that this build does not know.
    #[error("the schema is ahead of this build, or unknown to it: {}; use the build that applied them", unknown.join(", "))]
    Ahead {
        /// Names of those steps.
        unknown: Vec<String>,
    },
}

impl MigrateError {
    /// Returns `true` if the run was refused, which a person can correct, rather than failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Blocked { .. } | Self::Changed { .. } | Self::Encoding { .. })
    }

    /// Returns the argument of `map_err` for a refused operation, which `action` names as a verb phrase.
    pub(crate) fn database(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}
