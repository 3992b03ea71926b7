//! Health of the database: a read checks that it answers, and a probe checks that it takes writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quire_storage::{DatabaseState, Health};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Expr, OnConflict, Query};
use tokio::sync::Mutex;

use crate::connection::Connection;
use crate::database::{Database, Options};
use crate::entity::write_probe::{Column, Entity};
use crate::error::{Error, OpenError};
use crate::pooling::Pooling;
use crate::url::DatabaseUrl;

/// Time-out for reading, including connecting; together with the time-out for writing less than the permitted second.
const READING: Duration = Duration::from_millis(600);
const WRITING: Duration = Duration::from_millis(300);
/// Time-out for the connecting part. It is most of the time for reading: on a busy machine the server takes some
/// hundred milliseconds to check a password, and a database that is slow to accept a connection is not away.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Time for which a result is reused, so that frequent requests, which any client may send, cause no more work.
const FRESH: Duration = Duration::from_secs(1);

/// Writes like any other statement: it fails if those would.
async fn write(db: &impl ConnectionTrait) -> Result<(), Error> {
    let update = OnConflict::column(Column::Id).update_column(Column::WrittenAt).to_owned();
    let row = [1.into(), Expr::current_timestamp()];
    let mut probe = Query::insert();
    probe.into_table(Entity).columns([Column::Id, Column::WrittenAt]).values_panic(row).on_conflict(update);
    db.execute(&probe).await?;
    Ok(())
}

/// Reads something that any database answers.
pub(crate) async fn ping(db: &impl ConnectionTrait) -> Result<(), Error> {
    db.query_one(&Query::select().expr(Expr::val(1)).to_owned()).await?;
    Ok(())
}

/// Monitor of the database: at most one check at a time. If the store makes its own connections, the check has one apart from
/// those of requests, so that an overloaded database is not taken for one that is away.
#[derive(Debug)]
pub(crate) struct HealthMonitor {
    connection: Connection,
    last: Mutex<Option<(Instant, Health)>>,
}

impl HealthMonitor {
    /// Returns a monitor, and the connection that it uses for other calls that no request may delay: each must be short.
    pub(crate) fn new(
        url: DatabaseUrl,
        options: Options,
        pooling: Arc<Pooling>,
    ) -> Result<(Self, Connection), OpenError> {
        let connect_timeout = options.connect_timeout;
        // A server in recovery is not away, but read-only.
        let options = Options {
            max_connections: 1,
            connect_timeout: connect_timeout.min(CONNECT_TIMEOUT),
            accepts_recovery: true,
            ..options
        };
        let database = Database::new(url, options, pooling)?;
        let other = Connection::Own(Box::new(database.sharing(connect_timeout)));
        Ok((Self::on(Connection::Own(Box::new(database))), other))
    }

    /// Returns a monitor that uses this connection.
    pub(crate) fn on(connection: Connection) -> Self {
        Self { connection, last: Mutex::default() }
    }

    /// Opens the connection now, so that the first check does not have to. A failure is ignored, because the check will
    /// report it.
    pub(crate) async fn prepare(&self) {
        let _ = ping(&self.connection).await;
    }

    pub(crate) fn hold(&self, held: bool) {
        self.connection.hold(held);
    }

    pub(crate) async fn close(&self) {
        self.connection.close().await;
    }

    /// Returns the health of the database, at most a second old.
    pub(crate) async fn check(&self) -> Health {
        let mut last = self.last.lock().await;
        if let Some((at, health)) = &*last
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let health = examine(&self.connection).await;
        *last = Some((Instant::now(), health.clone()));
        health
    }
}

async fn examine(db: &impl ConnectionTrait) -> Health {
    const THERE: Health = Health { reads: true, writes: true, database: DatabaseState::Connected };
    const AWAY: Health = Health { reads: false, writes: false, database: DatabaseState::Disconnected };
    let read = tokio::time::timeout(READING, ping(db)).await;
    match read.unwrap_or(Err(Error::Silent)) {
        Ok(()) => {}
        // A database that is too busy for another connection is reachable.
        Err(error @ Error::Connect(_)) if error.is_overload() => {
            log(&error, "the database takes no more connections");
            return THERE;
        }
        // The code that holds the store reports the reason.
        Err(Error::Held) => return AWAY,
        Err(error) => {
            log(&error, "the database does not answer");
            return AWAY;
        }
    }
    // Reads work, so they can be served whatever the outcome of the write.
    match tokio::time::timeout(WRITING, write(db)).await {
        Ok(Ok(())) => THERE,
        outcome => {
            log(
                &outcome.map_or(Error::Silent, |refused| refused.err().unwrap_or(Error::Silent)),
                "the database takes no writes",
            );
            Health { writes: false, database: DatabaseState::ReadOnly, ..THERE }
        }
    }
}

fn log(error: &Error, what: &str) {
    tracing::warn!(error = error as &dyn std::error::Error, "{what}");
}
