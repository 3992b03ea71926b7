//! A pool of connections, and which of them are not to be trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Postgres};

use crate::database::Options;
use crate::url::{DatabaseUrl, DatabaseUrlError};

/// A connection that was idle so long is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);

/// A pool of connections.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) sqlx: PgPool,
    /// The same pool.
    pub(crate) orm: DatabaseConnection,
}

impl Pool {
    /// A pool that connects when it is needed.
    pub(crate) fn new(
        url: &DatabaseUrl,
        options: &Options,
        suspicion: &Arc<Suspicion>,
    ) -> Result<Self, DatabaseUrlError> {
        let [before, after] = [(); 2].map(|()| Arc::clone(suspicion));
        let sqlx = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.connect_timeout)
            // Checked below, after idling only: a check each time would double every call's round trips.
            .test_before_acquire(false)
            .before_acquire(move |connection, metadata| {
                let suspect = before.concerns(&metadata);
                Box::pin(async move {
                    if suspect {
                        return Ok(false);
                    }
                    Ok(metadata.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok())
                })
            })
            // The pool pings a connection that comes back, and waits for the answer as long as it takes.
            .after_release(move |_connection, metadata| {
                let suspect = after.concerns(&metadata);
                Box::pin(async move { Ok(!suspect) })
            })
            .connect_lazy_with(connect_options(url, options)?);
        let orm = SqlxPostgresConnector::from_sqlx_postgres_pool(sqlx.clone());
        Ok(Self { sqlx, orm })
    }

    /// A connection, within this time or the one for connecting, whichever is shorter.
    pub(crate) async fn acquire(&self, timeout: Duration) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        tokio::time::timeout(timeout, self.sqlx.acquire()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Why there was no connection. While the server has none left, or is starting, the pool tries again and again, and
    /// tells in the end only that it took too long.
    pub(crate) async fn why_not(&self, timeout: Duration) -> sqlx::Error {
        match tokio::time::timeout(timeout, self.sqlx.connect_options().connect()).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
        }
    }
}

/// Since when all older connections are suspect: one of them was lost or had become read-only, and after a failover the
/// others lead to the same old server.
#[derive(Debug)]
pub(crate) struct Suspicion {
    start: Instant,
    /// Microseconds after `start`.
    since_us: AtomicU64,
}

impl Suspicion {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), since_us: AtomicU64::new(0) }
    }

    pub(crate) fn raise(&self) {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.since_us.fetch_max(now, Ordering::Relaxed);
    }

    fn concerns(&self, connection: &PoolConnectionMetadata) -> bool {
        let since = Duration::from_micros(self.since_us.load(Ordering::Relaxed));
        !since.is_zero() && connection.age >= self.start.elapsed().saturating_sub(since)
    }
}

/// How to connect: where the password is in a file, it is read now.
pub(crate) fn connect_options(url: &DatabaseUrl, options: &Options) -> Result<PgConnectOptions, DatabaseUrlError> {
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
