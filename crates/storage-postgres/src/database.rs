//! Statements on the database: how many at once, and how long anything may take.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::DatabaseConnection;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::doubt::Doubts;
use crate::error::{Error, OpenError, code};
use crate::pool::{Pool, Suspicion, connect_options};
use crate::url::DatabaseUrl;

/// How much longer than the database may take for a statement the answer is waited for.
const GRACE: Duration = Duration::from_secs(3);
/// How long is waited for the reason why there is no connection.
const LAST_TRY: Duration = Duration::from_secs(1);

/// How a database is used; the default suits a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the database's views call this program.
    pub application_name: String,
    /// Connections at most.
    pub max_connections: u32,
    /// How long a call waits for its turn when all connections are in use.
    pub acquire_timeout: Duration,
    /// How long connecting may take, where the URL does not say.
    pub connect_timeout: Duration,
    /// How long the database may take for one statement. The database enforces it, so that the outcome is known.
    pub statement_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            application_name: "quire".to_owned(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

/// A database, reached through a pool of connections.
#[derive(Debug)]
pub(crate) struct Database {
    /// Another one, once this one's connections do not come back.
    pool: Mutex<Arc<Pool>>,
    /// As many as connections: waiting for one's turn is overload, waiting for a connection is a database that is away.
    turns: Semaphore,
    url: DatabaseUrl,
    options: Options,
    suspicion: Arc<Suspicion>,
    pub(crate) doubts: Doubts,
}

/// A connection in use. Unless it is known to be sound in the end, it is closed: also when the call is dropped, since a
/// connection that nobody answers on would not come back to the pool before the network gives up, which takes minutes.
struct Using {
    connection: PoolConnection<Postgres>,
    is_sound: bool,
}

impl Drop for Using {
    fn drop(&mut self) {
        if !self.is_sound {
            self.connection.close_on_drop();
        }
    }
}

impl Database {
    /// A pool that connects when it is needed. What is wrong with the settings is found out now.
    pub(crate) fn new(url: DatabaseUrl, mut options: Options) -> Result<Self, OpenError> {
        options.connect_timeout = url.connect_timeout().unwrap_or(options.connect_timeout);
        let suspicion = Arc::new(Suspicion::new());
        let pool = Mutex::new(Arc::new(Pool::new(&url, &options, &suspicion)?));
        let turns = Semaphore::new(usize::try_from(options.max_connections).unwrap_or(Semaphore::MAX_PERMITS));
        Ok(Self { pool, turns, url, options, suspicion, doubts: Doubts::default() })
    }

    /// Runs a statement that returns at most one row; returns when its outcome is known, or that it is not.
    pub(crate) async fn fetch_optional(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Option<PgRow>, Error> {
        Ok(self.fetch_all(query).await?.pop())
    }

    /// Runs a statement.
    pub(crate) async fn fetch_all(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, Error> {
        self.fetch_all_within(self.options.connect_timeout, query).await
    }

    /// As [`Self::fetch_all`], with so much time for connecting.
    pub(crate) async fn fetch_all_within(
        &self,
        connect_timeout: Duration,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, Error> {
        let _turn = self.turn().await?;
        let (_pool, connection) = self.connect(connect_timeout).await?;
        let mut using = Using { connection, is_sound: false };
        let answer =
            tokio::time::timeout(self.options.statement_timeout + GRACE, query.fetch_all(&mut *using.connection));
        let outcome = match answer.await {
            Ok(outcome) => outcome.map_err(Error::executing),
            Err(_elapsed) => Err(Error::Silent),
        };
        using.is_sound = !matches!(&outcome, Err(error) if error.is_in_doubt() || error.is_read_only());
        if !using.is_sound {
            self.suspicion.raise();
        }
        outcome
    }

    /// Runs a read, on another connection again if the first is lost: after a restart of the database all are.
    pub(crate) async fn read<'q>(
        &self,
        query: impl Fn() -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, Error> {
        match self.fetch_all(query()).await {
            Err(Error::Lost(_)) => self.fetch_all(query()).await,
            outcome => outcome,
        }
    }

    /// Runs a SeaORM query that changes nothing; it is tried again when its connection is lost.
    pub(crate) async fn read_orm<T, F>(&self, query: impl Fn(DatabaseConnection) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sea_orm::DbErr>>,
    {
        let once = async || {
            let _turn = self.turn().await?;
            // So that a wrong password or a database that is away is found out, and told, in one place.
            let (pool, connection) = self.connect(self.options.connect_timeout).await?;
            drop(connection);
            let mut answer = pin!(query(pool.orm.clone()));
            let outcome = tokio::time::timeout(self.options.statement_timeout + GRACE, answer.as_mut()).await;
            let outcome = outcome.map_or(Err(Error::Silent), |outcome| outcome.map_err(Error::of_orm));
            // Before `answer` gives its connection back.
            if matches!(&outcome, Err(error) if error.is_in_doubt()) {
                self.suspicion.raise();
            }
            outcome
        };
        match once().await {
            Err(Error::Lost(_)) => once().await,
            outcome => outcome,
        }
    }

    /// Closes all connections, when the calls under way have ended.
    pub(crate) async fn close(&self) {
        let pool = Arc::clone(&self.pool());
        // Not longer than a call may take: what does not come back by then never will.
        let _ = tokio::time::timeout(self.options.statement_timeout + GRACE, pool.sqlx.close()).await;
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        match tokio::time::timeout(self.options.acquire_timeout, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Error::NoTurn),
        }
    }

    async fn connect(&self, timeout: Duration) -> Result<(Arc<Pool>, PoolConnection<Postgres>), Error> {
        let refused = |error: &sqlx::Error| matches!(code(error).as_deref(), Some("28P01" | "28000"));
        let mut pool = Arc::clone(&self.pool());
        let mut outcome = pool.acquire(timeout).await;
        match &outcome {
            Err(error) if refused(error) && self.url.password_may_change() => {
                // The password may have been changed where it is kept, since it was read.
                pool.sqlx.set_connect_options(connect_options(&self.url, &self.options)?);
                outcome = pool.acquire(timeout).await;
            }
            // Whoever has a turn gets a connection, unless some do not come back: the pool pings what comes back, and
            // where the network forgot about a connection just then, waits for minutes.
            Err(sqlx::Error::PoolTimedOut) if pool.sqlx.size() >= self.options.max_connections => {
                pool = self.pool_after(&pool)?;
                outcome = pool.acquire(timeout).await;
            }
            _ => {}
        }
        match outcome {
            Ok(connection) => Ok((pool, connection)),
            Err(sqlx::Error::PoolTimedOut) => Err(Error::Connect(pool.why_not(timeout.min(LAST_TRY)).await)),
            Err(error) => Err(Error::Connect(error)),
        }
    }

    fn pool(&self) -> MutexGuard<'_, Arc<Pool>> {
        // A pool is put there whole, so a panic elsewhere leaves nothing broken.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool in the place of this one. For a while there may be twice as many connections.
    fn pool_after(&self, lost: &Arc<Pool>) -> Result<Arc<Pool>, Error> {
        let mut pool = self.pool();
        if Arc::ptr_eq(&pool, lost) {
            tracing::warn!("connections to the database are not answered on; all are made anew");
            let old = std::mem::replace(&mut *pool, Arc::new(Pool::new(&self.url, &self.options, &self.suspicion)?));
            // From now on closed, whether anybody waits for it or not: what still comes back is closed too.
            drop(old.sqlx.close());
        }
        Ok(Arc::clone(&pool))
    }
}
