//! The connections to the database: how many, how long anything may take on them, and which are not to be trusted.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Connection as _, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::doubt::Doubts;
use crate::error::{Error, OpenError, code};
use crate::url::DatabaseUrl;

/// A connection that was idle so long is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);
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

/// A pool of connections.
#[derive(Debug)]
pub(crate) struct Database {
    pool: PgPool,
    /// The same pool.
    orm: DatabaseConnection,
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

/// Since when all older connections are suspect: one of them was lost or had become read-only, and after a failover the
/// others lead to the same old server.
#[derive(Debug)]
struct Suspicion {
    start: Instant,
    /// Microseconds after `start`.
    since_us: AtomicU64,
}

impl Suspicion {
    fn new() -> Self {
        Self { start: Instant::now(), since_us: AtomicU64::new(0) }
    }

    fn raise(&self) {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.since_us.fetch_max(now, Ordering::Relaxed);
    }

    fn concerns(&self, connection: &PoolConnectionMetadata) -> bool {
        let since = Duration::from_micros(self.since_us.load(Ordering::Relaxed));
        !since.is_zero() && connection.age >= self.start.elapsed().saturating_sub(since)
    }
}

impl Database {
    /// A pool that connects when it is needed. What is wrong with the settings is found out now.
    pub(crate) fn new(url: DatabaseUrl, options: Options) -> Result<Self, OpenError> {
        let suspicion = Arc::new(Suspicion::new());
        let [doubt, doubt_after] = [(); 2].map(|()| Arc::clone(&suspicion));
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(url.connect_timeout().unwrap_or(options.connect_timeout))
            // Checked below, after idling only: a check each time would double every call's round trips.
            .test_before_acquire(false)
            .before_acquire(move |connection, metadata| {
                let suspect = doubt.concerns(&metadata);
                Box::pin(async move {
                    if suspect {
                        return Ok(false);
                    }
                    Ok(metadata.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok())
                })
            })
            // The pool pings a connection that comes back, and waits for the answer as long as it takes.
            .after_release(move |_connection, metadata| {
                let suspect = doubt_after.concerns(&metadata);
                Box::pin(async move { Ok(!suspect) })
            })
            .connect_lazy_with(connect_options(&url, &options)?);
        let orm = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        let turns = Semaphore::new(usize::try_from(options.max_connections).unwrap_or(Semaphore::MAX_PERMITS));
        Ok(Self { pool, orm, turns, url, options, suspicion, doubts: Doubts::default() })
    }

    /// Runs a statement that returns at most one row; returns when its outcome is known, or that it is not.
    pub(crate) async fn fetch_optional(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Option<PgRow>, Error> {
        Ok(self.fetch_all(query).await?.pop())
    }

    /// Runs a statement.
    pub(crate) async fn fetch_all(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, Error> {
        let _turn = self.turn().await?;
        let mut using = Using { connection: self.connect().await?, is_sound: false };
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
            drop(self.connect().await?);
            let mut answer = pin!(query(self.orm.clone()));
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

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        match tokio::time::timeout(self.options.acquire_timeout, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Error::NoTurn),
        }
    }

    async fn connect(&self) -> Result<PoolConnection<Postgres>, Error> {
        let refused = |error: &sqlx::Error| matches!(code(error).as_deref(), Some("28P01" | "28000"));
        match self.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(error) if refused(&error) && self.url.password_may_change() => {
                // The password may have been changed where it is kept, since it was read.
                self.pool.set_connect_options(connect_options(&self.url, &self.options)?);
                self.pool.acquire().await.map_err(Error::Connect)
            }
            Err(sqlx::Error::PoolTimedOut) => Err(Error::Connect(self.why_not().await)),
            Err(error) => Err(Error::Connect(error)),
        }
    }

    /// Why there was no connection. While the server has none left, or is starting, the pool tries again and again, and
    /// tells in the end only that it took too long.
    async fn why_not(&self) -> sqlx::Error {
        let options = self.pool.connect_options();
        match tokio::time::timeout(self.options.connect_timeout.min(LAST_TRY), options.connect()).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
        }
    }
}

fn connect_options(
    url: &DatabaseUrl,
    options: &Options,
) -> Result<sqlx::postgres::PgConnectOptions, crate::DatabaseUrlError> {
    let statement_timeout_ms = options.statement_timeout.as_millis().to_string();
    let limits = [
        ("statement_timeout", statement_timeout_ms.as_str()),
        ("idle_in_transaction_session_timeout", "60000"),
        // So that the server lets go of us when we are gone: half a minute without an answer, then four more tries.
        ("tcp_keepalives_idle", "30"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "4"),
    ];
    Ok(url.connect_options(&options.application_name)?.options(limits))
}
