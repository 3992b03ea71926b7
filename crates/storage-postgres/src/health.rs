//! The health of the database: whether it answers, and whether it takes writes, which a write finds out.

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

/// Maximum time for reading, connecting included, and then for writing: together less than a second.
const READING: Duration = Duration::from_millis(600);
const WRITING: Duration = Duration::from_millis(300);
/// Maximum time for connecting, most of that for reading: on a busy machine the server needs some hundred milliseconds to check
/// a password, and a database that does so slowly is not away.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Time for which a result is returned again, so that clients that ask more often make no more work.
const FRESH: Duration = Duration::from_secs(1);

/// Writes a row, which fails where other writes fail.
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

/// A check of the database, one at a time. Where the store makes connections, it has one of its own, so that a database with
/// much to do is not taken for one that is away.
#[derive(Debug)]
pub(crate) struct HealthMonitor {
    connection: Connection,
    last: Mutex<Option<(Instant, Health)>>,
}

impl HealthMonitor {
    pub(crate) fn new(url: DatabaseUrl, options: Options, pooling: Arc<Pooling>) -> Result<Self, OpenError> {
        let options =
            Options { max_connections: 1, connect_timeout: options.connect_timeout.min(CONNECT_TIMEOUT), ..options };
        Ok(Self::on(Connection::Own(Box::new(Database::new(url, options, pooling)?))))
    }

    /// Makes a monitor that checks the database through this connection.
    pub(crate) fn on(connection: Connection) -> Self {
        Self { connection, last: Mutex::default() }
    }

    /// Makes the connection before the first check. An error does not matter here: the check will meet it too.
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
    pub(crate) async fn look(&self) -> Health {
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
        // The database is there, and has too much to do for one more connection.
        Err(error @ Error::Connect(_)) if error.is_overload() => {
            log(&error, "the database takes no more connections");
            return THERE;
        }
        // The program that holds the store logs the reason.
        Err(Error::Held) => return AWAY,
        Err(error) => {
            log(&error, "the database does not answer");
            return AWAY;
        }
    }
    // Reads work, so whatever becomes of the write, they can be served.
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
