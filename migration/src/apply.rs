//! Application of one step at a time.
//!
//! A step is marked as begun before its SQL runs, and as finished together with it, so the record names a step that a
//! killed run left incomplete. The step's row in the record is locked while the step runs. If the run loses its
//! advisory lock meanwhile, for example because its connection broke, no other run can apply the same step
//! concurrently.

use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::blocker::Blocker;
use crate::lock::Lock;
use crate::run::{Limits, OnProgress};
use crate::step::Step;
use crate::{MigrateError, Progress, history, session};

/// `lock_not_available`: a lock was not granted within `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// `query_canceled`: the error of a statement that this runner cancelled.
const QUERY_CANCELED: &str = "57014";

/// Applies steps: the connection that runs them, and the lock that permits it.
pub(crate) struct Applier<'a> {
    lock: &'a mut Lock,
    work: PgConnection,
    limits: &'a Limits,
    pub(crate) on_progress: OnProgress<'a>,
}

/// Reason why a transaction failed. It was rolled back.
enum Failure {
    Blocked(Vec<Blocker>),
    Sql(sqlx::Error),
    Run(MigrateError),
}

impl<'a> Applier<'a> {
    pub(crate) async fn start(
        options: &PgConnectOptions,
        lock: &'a mut Lock,
        limits: &'a Limits,
        on_progress: OnProgress<'a>,
    ) -> Result<Self, MigrateError> {
        Ok(Self { lock, work: session::connect_second(options, limits.connect).await?, limits, on_progress })
    }

    /// Creates the record of steps if it does not exist.
    pub(crate) async fn create_record(&mut self) -> Result<(), MigrateError> {
        let lock_timeout_ms = self.limits.lock_timeout.as_millis();
        let sql = format!("{} {} COMMIT;", session::begin(lock_timeout_ms), history::CREATE);
        let created = session::execute(&mut self.work, sql).await;
        created.map(drop).map_err(MigrateError::database("create the table quire_migrations"))
    }

    /// Closes the connection in order, so that the server logs no error.
    pub(crate) async fn close(self) {
        let _ = self.work.close().await;
    }

    pub(crate) async fn up(&mut self, step: &Step) -> Result<(), MigrateError> {
        const ACTION: &str = "apply";
        self.retried(step, ACTION, &[], &[history::begun(step)]).await?;
        if step.transactional {
            let claim = [history::claim(step.name)];
            let applied = self.retried(step, ACTION, &claim, &[step.up.to_owned(), history::finished(step.name)]).await;
            if let Err(MigrateError::Step { .. } | MigrateError::Blocked { .. }) = applied {
                // The step was rolled back, so there is nothing to complete. If this deletion fails as well, the mark
                // remains, and the record shows less than is known. Without the lock, the mark may already be another
                // run's.
                if self.lock.check().await.is_ok() {
                    let _ = session::execute(&mut self.work, history::forget(step.name)).await;
                }
            }
            return applied;
        }
        self.piecemeal(step, ACTION, step.up).await?;
        self.retried(step, ACTION, &[], &[history::finished(step.name)]).await
    }

    /// Takes a step back. `finished` is `true` if the step was applied wholly.
    pub(crate) async fn down(&mut self, step: &Step, finished: bool) -> Result<(), MigrateError> {
        const ACTION: &str = "take back";
        let remove = history::remove(step.name);
        if step.transactional {
            let hold = [history::hold(step.name)];
            let mut sql = vec![remove];
            if finished {
                sql.insert(0, step.down.to_owned());
            }
            return self.retried(step, ACTION, &hold, &sql).await;
        }
        self.retried(step, ACTION, &[], &[history::reopened(step.name)]).await?;
        self.piecemeal(step, ACTION, step.down).await?;
        self.retried(step, ACTION, &[], &[remove]).await
    }

    /// Retries a transaction until it gets its locks, or the attempts are used up.
    async fn retried(
        &mut self,
        step: &Step,
        action: &'static str,
        claim: &[String],
        sql: &[String],
    ) -> Result<(), MigrateError> {
        let mut tries = 1;
        loop {
            self.lock.check().await?;
            let name = step.name.to_owned();
            match self.attempt(claim, sql).await {
                Ok(()) => return Ok(()),
                Err(Failure::Blocked(blockers)) if tries < self.limits.tries => {
                    (self.on_progress)(Progress::Blocked { name, blockers, tries });
                    tries += 1;
                    tokio::time::sleep(self.limits.pause).await;
                }
                Err(Failure::Blocked(blockers)) => return Err(MigrateError::Blocked { name, tries, blockers }),
                Err(Failure::Sql(source)) => return Err(MigrateError::Step { name, action, source }),
                Err(Failure::Run(error)) => return Err(error),
            }
        }
    }

    /// Runs one transaction. If the claim finds no row, another run has done the work, and nothing is left to do.
    async fn attempt(&mut self, claim: &[String], sql: &[String]) -> Result<(), Failure> {
        let begin = format!("{} SELECT pg_backend_pid();", session::begin(self.limits.lock_timeout.as_millis()));
        let rows = session::rows(&mut self.work, begin).await;
        let pid = rows.and_then(|rows| rows.last().map_or(Ok(0), |row| row.try_get(0)));
        let pid = match pid {
            Ok(pid) => pid,
            Err(refused) => {
                // `BEGIN` may have succeeded nevertheless, and the connection remains in use.
                let _ = session::execute(&mut self.work, "ROLLBACK").await;
                return Err(Failure::Sql(refused));
            }
        };
        let mut seen = Vec::new();
        let work = &mut self.work;
        let done = async {
            for statement in claim {
                if session::execute(work, statement.as_str()).await? == 0 {
                    return session::execute(work, "ROLLBACK").await;
                }
            }
            for statement in sql {
                session::execute(work, statement.as_str()).await?;
            }
            session::execute(work, "COMMIT").await
        };
        let done = watched(self.lock, self.limits, pid, &mut seen, done).await.map_err(Failure::Run)?;
        let Err(error) = done else { return Ok(()) };
        let _ = session::execute(&mut self.work, "ROLLBACK").await;
        Err(if has_code(&error, LOCK_NOT_AVAILABLE) { Failure::Blocked(seen) } else { Failure::Sql(error) })
    }

    /// Runs the statements of a step that cannot run in a transaction, one by one.
    async fn piecemeal(&mut self, step: &Step, action: &'static str, sql: &'static str) -> Result<(), MigrateError> {
        for statement in step.messages(sql) {
            self.lock.check().await?;
            self.statement(step, action, statement).await?;
        }
        Ok(())
    }

    /// Runs one statement outside a transaction. Such a statement blocks no others while it waits, so it may wait long.
    /// A mark in its text identifies it: a pooler may run it on any of its server connections, so a query for the
    /// process id beforehand may give another process, and a `SET lock_timeout` may apply to another connection.
    async fn statement(&mut self, step: &Step, action: &'static str, sql: &'static str) -> Result<(), MigrateError> {
        let mark = format!("/* quire-migrate {} */", self.lock.id().await?);
        let sql = format!("{mark} {sql}");
        let mut run = pin!(session::execute(&mut self.work, sql));
        let (mut blocked_since, mut seen) = (None, Vec::new());
        let done = loop {
            tokio::select! {
                done = &mut run => break done,
                () = tokio::time::sleep(self.limits.poll) => {}
            }
            let Some((pid, blockers)) = self.lock.blockers_of_marked(&mark).await? else { continue };
            if blockers.is_empty() {
                blocked_since = None;
                continue;
            }
            seen = blockers;
            if blocked_since.get_or_insert_with(Instant::now).elapsed() >= self.limits.wait_for_lock {
                self.lock.cancel(pid).await?;
            }
        };
        match done {
            Ok(_) => Ok(()),
            Err(error) if has_code(&error, QUERY_CANCELED) && blocked_since.is_some() => {
                Err(MigrateError::Blocked { name: step.name.to_owned(), tries: 1, blockers: seen })
            }
            Err(source) => Err(MigrateError::Step { name: step.name.to_owned(), action, source }),
        }
    }
}

/// Runs `work` to its end, while the lock's connection polls the sessions that block its process. A poll in progress is
/// not cancelled when the work ends: that would leave its response in the connection.
async fn watched<T>(
    lock: &mut Lock,
    limits: &Limits,
    pid: i32,
    seen: &mut Vec<Blocker>,
    work: impl Future<Output = T>,
) -> Result<T, MigrateError> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(limits.poll) => {}
        }
        let blockers = lock.blockers_of(pid).await?;
        if !blockers.is_empty() {
            *seen = blockers;
        }
    }
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|found| found == code)
}
