//! Detection of poolers such as `PgBouncer` between this program and the database, unless the URL names one.
//!
//! Through a pooler in transaction mode, nothing that is prepared or set outlives a transaction. The name of a prepared
//! statement may be unknown to the next server process, or belong to another client's statement, which would be
//! executed in its place. So the pooler is detected before the first statement is prepared.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

/// The setting that contains a session's mark. `PostgreSQL` accepts any name with a dot.
const MARK_SETTING: &str = "quire.session";

/// Mode in which statements are executed, shared by all connections of a store.
#[derive(Debug)]
pub(crate) struct Pooling(AtomicBool);

impl Pooling {
    pub(crate) fn new(is_on: bool) -> Self {
        Self(AtomicBool::new(is_on))
    }

    /// Returns `true` if connections are treated as a pooler's from now on.
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Treats connections as a pooler's from now on, and logs it the first time.
    pub(crate) fn turn_on(&self) {
        if !self.0.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                "a pooler stands before the database and its URL does not say so: each statement is a transaction of its own \
                 from now on, as with `pgbouncer=true`; add that to the URL"
            );
        }
    }
}

/// A random mark that a connection requests as a setting when it begins. A session of the connection's own has the
/// setting; a pooler drops it, because its connections to the server serve many clients.
#[derive(Debug)]
pub(crate) struct SessionMark(String);

impl SessionMark {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{:032x}", u128::from_ne_bytes(bytes))))
    }

    /// Returns the session setting that requests the mark.
    pub(crate) fn setting(&self) -> (&'static str, &str) {
        (MARK_SETTING, &self.0)
    }
}

/// State of a connection's session.
#[derive(Debug)]
pub(crate) struct Session {
    /// `true` if the server is in recovery, so that it may show the past.
    pub(crate) is_in_recovery: bool,
    mark: Option<String>,
}

impl Session {
    /// Reads the state, in one round trip.
    pub(crate) async fn of(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let sql = format!("SELECT pg_is_in_recovery(), current_setting('{MARK_SETTING}', true)");
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?;
        Ok(Self { is_in_recovery: row.try_get(0)?, mark: row.try_get(1)? })
    }

    /// Returns `true` if the session has the mark.
    pub(crate) fn has(&self, mark: &SessionMark) -> bool {
        self.mark.as_deref() == Some(mark.0.as_str())
    }
}
