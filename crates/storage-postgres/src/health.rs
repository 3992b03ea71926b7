//! How the database is: whether it answers, and whether it takes writes, which is found out by writing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quire_storage::{DatabaseState, Health};
use tokio::sync::Mutex;

use crate::database::{Database, Options};
use crate::error::{Error, OpenError};
use crate::pooling::Pooling;
use crate::url::DatabaseUrl;

/// How long reading may take, connecting included, and then writing: together less than the second that may be taken.
const READING: Duration = Duration::from_millis(600);
const WRITING: Duration = Duration::from_millis(300);
/// How long of that connecting may take. Most of it: on a busy machine the server needs some hundred milliseconds to check a
/// password, and a database that is slow to let us in is not away.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long what was found is told again: whoever asks more often, and anybody may, makes no more work.
const FRESH: Duration = Duration::from_secs(1);

/// A write like any other: it fails where those would.
const PROBE: &str = "
    INSERT INTO write_probe (id, written_at) VALUES (1, now())
    ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at
    RETURNING id";

/// Looks at the database, at most once at a time, on a connection of its own, so that a database with much to do is not
/// taken for one that is away.
#[derive(Debug)]
pub(crate) struct Doctor {
    database: Database,
    last: Mutex<Option<(Instant, Health)>>,
}

impl Doctor {
    pub(crate) fn new(url: DatabaseUrl, options: Options, pooling: Arc<Pooling>) -> Result<Self, OpenError> {
        let options =
            Options { max_connections: 1, connect_timeout: options.connect_timeout.min(CONNECT_TIMEOUT), ..options };
        Ok(Self { database: Database::new(url, options, pooling)?, last: Mutex::default() })
    }

    /// Makes the connection now, so that the first look need not. That it fails is no matter: the look will tell.
    pub(crate) async fn prepare(&self) {
        let _ = self.database.fetch_all(sqlx::query("SELECT 1")).await;
    }

    pub(crate) fn hold(&self, held: bool) {
        self.database.hold(held);
    }

    pub(crate) async fn close(&self) {
        self.database.close().await;
    }

    /// How the database is, as of at most a second ago.
    pub(crate) async fn look(&self) -> Health {
        let mut last = self.last.lock().await;
        if let Some((at, health)) = &*last
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let health = examine(&self.database).await;
        *last = Some((Instant::now(), health.clone()));
        health
    }
}

async fn examine(database: &Database) -> Health {
    const THERE: Health = Health { reads: true, writes: true, database: DatabaseState::Connected };
    const AWAY: Health = Health { reads: false, writes: false, database: DatabaseState::Disconnected };
    let read = tokio::time::timeout(READING, database.read(|| sqlx::query("SELECT 1"))).await;
    match read.unwrap_or(Err(Error::Silent)) {
        Ok(_) => {}
        // It has too much to do for one more: it is there all the same.
        Err(error @ Error::Connect(_)) if error.is_overload() => {
            log(&error, "the database takes no more connections");
            return THERE;
        }
        // Whoever holds the store says why.
        Err(Error::Held) => return AWAY,
        Err(error) => {
            log(&error, "the database does not answer");
            return AWAY;
        }
    }
    // Reads work, so whatever becomes of the write, they can be served.
    match tokio::time::timeout(WRITING, database.fetch_all(sqlx::query(PROBE))).await {
        Ok(Ok(_)) => THERE,
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
