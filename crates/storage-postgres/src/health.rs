//! How the database is: whether it answers, and whether it takes writes, which is found out by writing.

use std::time::{Duration, Instant};

use quire_storage::{DatabaseState, Health};
use sqlx::Row as _;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::database::{Database, Options};
use crate::error::{Error, OpenError, code};
use crate::url::DatabaseUrl;

/// How long one look may take.
const PATIENCE: Duration = Duration::from_millis(900);
/// How long of that connecting may take: twice, so that there is time for connections in the place of lost ones.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(350);
/// How long what was found is told again: whoever asks more often, and anybody may, makes no more work.
const FRESH: Duration = Duration::from_secs(1);

/// Identifies the state that versions count in: it changes when the tables are made anew from a dump, the database is
/// another one, or a server goes on from a backup or a replica, on a new timeline.
const GENERATION: &str = "
    SELECT md5(concat_ws(' ',
        (SELECT system_identifier FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint()),
        (SELECT oid FROM pg_database WHERE datname = current_database()), 'notebooks'::regclass::oid
    ))::uuid AS generation";

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
    pub(crate) fn new(url: DatabaseUrl, options: Options) -> Result<Self, OpenError> {
        let options = Options { max_connections: 1, connect_timeout: CONNECT_TIMEOUT, ..options };
        Ok(Self { database: Database::new(url, options)?, last: Mutex::default() })
    }

    /// How the database is, as of at most a second ago.
    pub(crate) async fn look(&self) -> Health {
        let mut last = self.last.lock().await;
        if let Some((at, health)) = &*last
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        // Until it is known, it is the one that was last known.
        let known = last.as_ref().map_or(Uuid::nil(), |(_, health)| health.generation);
        let health = tokio::time::timeout(PATIENCE, examine(&self.database, known)).await;
        let health = health.unwrap_or_else(|_elapsed| away(known));
        *last = Some((Instant::now(), health.clone()));
        health
    }
}

async fn examine(database: &Database, known: Uuid) -> Health {
    let generation = match database.read(|| sqlx::query(GENERATION)).await {
        Ok(rows) => rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(known),
        Err(error) => {
            log(&error, "the database does not answer");
            return away(known);
        }
    };
    let (writes, state) = match database.fetch_all(sqlx::query(PROBE)).await {
        Ok(_) => (true, DatabaseState::Connected),
        Err(error) => {
            log(&error, "the database takes no writes");
            let state = match &error {
                Error::Refused(cause) if code(cause).is_some() => DatabaseState::ReadOnly,
                _ => DatabaseState::Disconnected,
            };
            (false, state)
        }
    };
    Health { reads: true, writes, database: state, generation }
}

fn away(generation: Uuid) -> Health {
    Health { reads: false, writes: false, database: DatabaseState::Disconnected, generation }
}

fn log(error: &Error, what: &str) {
    tracing::warn!(error = error as &dyn std::error::Error, "{what}");
}
