//! Why a run ended early.

use std::time::Duration;

use crate::blocker::{self, Blocker};

/// Why a database was not brought to the schema, or not read. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// No connection.
    #[error("cannot connect to the database {place}")]
    Connect {
        /// Which database, where, and as whom.
        place: String,
        /// How it failed.
        #[source]
        source: sqlx::Error,
    },
    /// No connection beside the one that holds the lock.
    #[error(
        "cannot open a second connection to the database {place}, and a run needs two at a time: one holds the lock, one works; \
         raise the connection limit of the role and the database, or the size of the pooler's pool"
    )]
    SecondConnection {
        /// Which database, where, and as whom.
        place: String,
        /// How it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The database refuses what belongs to no step.
    #[error("cannot {action}")]
    Database {
        /// What was refused, as a verb phrase.
        action: &'static str,
        /// How.
        #[source]
        source: sqlx::Error,
    },
    /// The database cannot hold every character.
    #[error(
        "the database {database:?} has the encoding {encoding}, which cannot hold every character: Quire needs UTF8. Make one with \
         `CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'`, and move what this one holds with pg_dump and pg_restore"
    )]
    Encoding {
        /// The database.
        database: String,
        /// Its encoding, as `PostgreSQL` calls it.
        encoding: String,
    },
    /// A step failed. A transactional one left nothing behind.
    #[error("cannot {action} step {name}")]
    Step {
        /// The step.
        name: String,
        /// `apply` or `take back`.
        action: &'static str,
        /// How.
        #[source]
        source: sqlx::Error,
    },
    /// The lock's connection broke, and with it the lock.
    #[error("the lock that keeps others from migrating was lost; run `quire-migrate up` again")]
    LockLost {
        /// How.
        #[source]
        source: sqlx::Error,
    },
    /// Another run did not end in time.
    #[error("another run did not end within {} s: {}", waited.as_secs(), blocker::list(holders))]
    Busy {
        /// How long we waited.
        waited: Duration,
        /// Who runs.
        holders: Vec<Blocker>,
    },
    /// A step did not get its locks.
    #[error(
        "step {name} was tried {tries} times and rolled back each time, because of {}; end that transaction and try again",
        blocker::list(blockers)
    )]
    Blocked {
        /// The step.
        name: String,
        /// How often.
        tries: u32,
        /// Who was in the way at the last try.
        blockers: Vec<Blocker>,
    },
    /// A step is not what was applied.
    #[error(
        "step {name} was changed after it was applied: this build's text has another checksum than the one recorded; \
         a published step is never edited, so take its text back and put the change into a new step"
    )]
    Changed {
        /// The step.
        name: String,
    },
    /// The database knows steps that this build does not.
    #[error("the schema is ahead of this build, or unknown to it: {}; use the build that applied them", unknown.join(", "))]
    Ahead {
        /// Their names.
        unknown: Vec<String>,
    },
}

impl MigrateError {
    /// Whether the run was refused, which a person can put right, rather than failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Blocked { .. } | Self::Changed { .. } | Self::Encoding { .. })
    }

    /// For `map_err`: what was refused, as a verb phrase.
    pub(crate) fn database(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}
