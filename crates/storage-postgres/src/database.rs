//! The connections to the database: how many, how long anything may take on them, and which are not to be trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::doubt::Doubts;
use crate::error::{Error, OpenError, code};
use crate::url::DatabaseUrl;

/// A connection that was idle so long is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);
/// How much longer than the database may take for a statement the answer is waited for.
const GRACE: Duration = Duration::from_secs(3);

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
        let doubt = Arc::clone(&suspicion);
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
        let mut connection = self.connect().await?;
        let answer = tokio::time::timeout(self.options.statement_timeout + GRACE, query.fetch_all(&mut *connection));
        let outcome = match answer.await {
            Ok(outcome) => outcome.map_err(Error::executing),
            Err(_elapsed) => Err(Error::Silent),
        };
        if let Err(error) = &outcome
            && (error.is_in_doubt() || error.is_read_only())
        {
            self.suspicion.raise();
            connection.close_on_drop();
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
            let answer = tokio::time::timeout(self.options.statement_timeout + GRACE, query(self.orm.clone()));
            answer.await.map_err(|_elapsed| Error::Silent)?.map_err(Error::of_orm)
        };
        match once().await {
            Err(Error::Lost(_)) => {
                self.suspicion.raise();
                once().await
            }
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

    async fn connect(&self) -> Result<sqlx::pool::PoolConnection<Postgres>, Error> {
        let refused = |error: &sqlx::Error| matches!(code(error).as_deref(), Some("28P01" | "28000"));
        match self.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(error) if refused(&error) && self.url.password_may_change() => {
                // The password may have been changed where it is kept, since it was read.
                self.pool.set_connect_options(connect_options(&self.url, &self.options)?);
                self.pool.acquire().await.map_err(Error::Connect)
            }
            Err(error) => Err(Error::Connect(error)),
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
