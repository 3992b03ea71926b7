//! The lock that lets one run at a time change a schema.

use std::time::Instant;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::blocker::{self, Blocker};
use crate::run::{Limits, OnProgress};
use crate::{MigrateError, Progress, history, session};

/// `quire` in ASCII. An advisory lock belongs to one database, so the same number serves for all databases.
pub(crate) const KEY: i64 = 0x0071_7569_7265;

/// An advisory lock, held by an open transaction on its own connection. A session-level lock would remain on the
/// server's connection of a pooler in transaction mode.
#[derive(Debug)]
pub(crate) struct Lock(PgConnection);

impl Lock {
    /// Waits until the lock is free, within the limit.
    pub(crate) async fn take(
        options: &PgConnectOptions,
        limits: &Limits,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, MigrateError> {
        let mut connection = session::connect(options, limits.connect).await?;
        let since = Instant::now();
        let mut told = false;
        loop {
            if attempt(&mut connection).await.map_err(MigrateError::database("take the lock"))? {
                return Ok(Self(connection));
            }
            let waited = since.elapsed();
            if waited >= limits.wait_for_lock || !told {
                let holders = blocker::of_advisory(&mut connection, KEY)
                    .await
                    .map_err(MigrateError::database("see who holds the lock"))?;
                if waited >= limits.wait_for_lock {
                    return Err(MigrateError::Busy { waited, holders });
                }
                on_progress(Progress::Waiting { holders });
                told = true;
            }
            tokio::time::sleep(limits.poll).await;
        }
    }

    /// Fails if the lock is no longer held.
    pub(crate) async fn check(&mut self) -> Result<(), MigrateError> {
        session::execute(&mut self.0, "SELECT 1").await.map(drop).map_err(|source| MigrateError::LockLost { source })
    }

    /// Returns the sessions that a server process waits for; fails if the lock is no longer held.
    pub(crate) async fn blockers_of(&mut self, pid: i32) -> Result<Vec<Blocker>, MigrateError> {
        blocker::of(&mut self.0, pid).await.map_err(|source| MigrateError::LockLost { source })
    }

    /// Returns a number that no other concurrent run has: the server process that holds the lock.
    pub(crate) async fn id(&mut self) -> Result<i32, MigrateError> {
        let id = session::rows(&mut self.0, "SELECT pg_backend_pid()")
            .await
            .and_then(|rows| rows.first().map_or(Ok(0), |row| row.try_get(0)));
        id.map_err(|source| MigrateError::LockLost { source })
    }

    /// Returns the process that runs the statement beginning with `mark`, and the sessions that it waits for.
    pub(crate) async fn blockers_of_marked(&mut self, mark: &str) -> Result<Option<(i32, Vec<Blocker>)>, MigrateError> {
        let lost = |source| MigrateError::LockLost { source };
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND starts_with(query, {})",
            history::quoted(mark)
        );
        let rows = session::rows(&mut self.0, sql).await.map_err(lost)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let pid = row.try_get(0).map_err(lost)?;
        Ok(Some((pid, self.blockers_of(pid).await?)))
    }

    /// Cancels the statement of a process.
    pub(crate) async fn cancel(&mut self, pid: i32) -> Result<(), MigrateError> {
        let cancelled = session::execute(&mut self.0, format!("SELECT pg_cancel_backend({pid})")).await;
        cancelled.map(drop).map_err(|source| MigrateError::LockLost { source })
    }

    /// Returns the connection, for queries while the lock is held.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// Releases the lock. If this fails, the end of the connection releases it.
    pub(crate) async fn release(mut self) {
        let _ = session::execute(&mut self.0, "ROLLBACK").await;
        let _ = self.0.close().await;
    }
}

/// Tries once to take the lock. Waiting inside the server would occupy one of a pooler's few connections, which the
/// holder may need.
async fn attempt(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let sql = format!("{} SELECT pg_try_advisory_xact_lock({KEY});", session::begin(0));
    let rows = session::rows(connection, sql).await?;
    let taken = rows.last().map_or(Ok(false), |row| row.try_get(0))?;
    if !taken {
        session::execute(connection, "ROLLBACK").await?;
    }
    Ok(taken)
}
