//! Sessions that block a run.

use std::fmt;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::session;

/// A session that holds a lock which a run waits for. Its statement is omitted, because it may contain users' data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Process id on the server; 0 for a prepared transaction.
    pub pid: i32,
    /// Name of its role.
    pub user: Option<String>,
    /// Its `application_name`.
    pub application: Option<String>,
    /// Its state, in `PostgreSQL`'s words, if the role may see it.
    pub state: Option<String>,
    /// Time at which its transaction began, if the role may see it.
    pub since: Option<String>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        write!(f, "process {}", self.pid)?;
        if let Some(user) = &self.user {
            write!(f, " of user {user:?}")?;
        }
        if let Some(application) = self.application.as_ref().filter(|name| !name.is_empty()) {
            write!(f, ", application {application:?}")?;
        }
        if let Some(state) = &self.state {
            write!(f, ", {state}")?;
        }
        if let Some(since) = &self.since {
            write!(f, ", in a transaction since {since}")?;
        }
        Ok(())
    }
}

/// Formats several blockers for a sentence.
pub(crate) fn list(blockers: &[Blocker]) -> String {
    if blockers.is_empty() {
        return "somebody who has gone meanwhile".to_owned();
    }
    blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Returns the sessions that a server process waits for.
pub(crate) async fn of(connection: &mut PgConnection, pid: i32) -> sqlx::Result<Vec<Blocker>> {
    find(connection, &format!("SELECT DISTINCT unnest(pg_blocking_pids({pid})) AS pid")).await
}

/// Returns the holders of an advisory lock of this database.
pub(crate) async fn of_advisory(connection: &mut PgConnection, key: i64) -> sqlx::Result<Vec<Blocker>> {
    let holders = format!(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (classid::bigint << 32 | objid::bigint) = {key}"
    );
    find(connection, &holders).await
}

async fn find(connection: &mut PgConnection, pids: &str) -> sqlx::Result<Vec<Blocker>> {
    let sql = format!(
        "SELECT b.pid, a.usename::text, a.application_name, a.state, \
                to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' \
         FROM ({pids}) AS b LEFT JOIN pg_stat_activity a ON a.pid = b.pid ORDER BY b.pid"
    );
    let blocker = |row: &PgRow| {
        Ok(Blocker {
            pid: row.try_get(0)?,
            user: row.try_get(1)?,
            application: row.try_get(2)?,
            state: row.try_get(3)?,
            since: row.try_get(4)?,
        })
    };
    session::rows(connection, sql).await?.iter().map(blocker).collect()
}
