//! Connections to the database: their number, the idle ones kept for the next call, and those that are no longer
//! trusted.
//!
//! sqlx's pool is not used, because it sends a ping whenever a connection is returned and waits for the answer without
//! limit. The ping is a second round trip for each call and takes a quarter of the throughput. If the network has
//! dropped a connection, its place in the pool is lost for as long as TCP keeps retrying (ADR 10).

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quire_migration::{connect_once, tidied};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::database::{IDLE_IN_TRANSACTION_MS, Options};
use crate::error::{Error, code};
use crate::pooling::{Pooling, Session, SessionMark};
use crate::url::{DatabaseUrl, DatabaseUrlError};

/// Idle time after which a connection is pinged before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);
/// Time-out of that ping.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// Idle time after which a connection is closed.
const MAX_IDLE: Duration = Duration::from_mins(10);
/// Maximum age of a connection. It bounds the memory that its server process accumulates.
const MAX_AGE: Duration = Duration::from_mins(30);
/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections, opened on demand, at most as many as the options allow.
#[derive(Debug)]
pub(crate) struct Connections {
    url: DatabaseUrl,
    options: Options,
    pooling: Arc<Pooling>,
    /// A permit for each connection. Waiting for a permit means overload; waiting for a connection with a permit
    /// means that the database is away.
    permits: Semaphore,
    idle: Mutex<IdleConnections>,
}

#[derive(Debug)]
struct IdleConnections {
    /// Idle connections. The one used last is at the end and is used next.
    idle: Vec<IdleConnection>,
    /// Connections made before this moment are not trusted: one of them was lost or had become read-only, and after a
    /// failover the others lead to the same old server.
    trusted_from: Instant,
    /// `true` if the last attempt to connect failed. A call that waits for a permit then waits for a database that is
    /// away.
    is_away: bool,
}

#[derive(Debug)]
struct IdleConnection {
    link: Link,
    since: Instant,
}

#[derive(Debug)]
struct Link {
    connection: PgConnection,
    made_at: Instant,
    is_pooled: bool,
}

/// A connection in use. It is closed unless [`InUse::keep`] is called, also if the call is dropped: the next answer on
/// it might belong to another call, or never come.
#[derive(Debug)]
pub(crate) struct InUse<'a> {
    connections: &'a Connections,
    link: Link,
    _permit: SemaphorePermit<'a>,
}

impl Connections {
    /// Creates the connections' state without connecting. Fails at once if the settings are invalid.
    pub(crate) fn new(url: DatabaseUrl, options: Options, pooling: Arc<Pooling>) -> Result<Self, DatabaseUrlError> {
        connect_options(&url, &options, None)?;
        let permits = Semaphore::new(usize::try_from(options.max_connections).unwrap_or(Semaphore::MAX_PERMITS));
        let idle = Mutex::new(IdleConnections { idle: Vec::new(), trusted_from: Instant::now(), is_away: false });
        Ok(Self { url, options, pooling, permits, idle })
    }

    /// Returns a connection. If none is idle, it connects within the time-out.
    pub(crate) async fn take(&self, connect_timeout: Duration) -> Result<InUse<'_>, Error> {
        let permit = tokio::time::timeout(self.options.acquire_timeout, self.permits.acquire()).await;
        let Ok(Ok(permit)) = permit else {
            let is_away = self.lock().is_away;
            return Err(if is_away { Error::Connect(no_answer().into()) } else { Error::PoolExhausted });
        };
        let link = if let Some(link) = self.idle_link(connect_timeout).await {
            link
        } else {
            let link = self.connect(connect_timeout).await;
            // A server that answers, even that it has no free connection, is not away.
            self.lock().is_away = matches!(&link, Err(Error::Connect(error)) if code(error).is_none());
            link?
        };
        Ok(InUse { connections: self, link, _permit: permit })
    }

    /// Makes connections that were made before now close instead of being used.
    pub(crate) fn distrust(&self) {
        let mut state = self.lock();
        state.trusted_from = Instant::now();
        state.idle.clear();
    }

    /// Closes the idle connections, and refuses all further calls.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut self.lock().idle);
        for IdleConnection { link, .. } in idle {
            let _ = tokio::time::timeout(PING_TIMEOUT, link.connection.close()).await; // it goes either way
        }
    }

    async fn idle_link(&self, timeout: Duration) -> Option<Link> {
        loop {
            let IdleConnection { mut link, since } = self.lock().idle.pop()?;
            if since.elapsed() < TRUSTED_IDLE {
                return Some(link);
            }
            if let Ok(Ok(())) = tokio::time::timeout(timeout.min(PING_TIMEOUT), link.connection.ping()).await {
                return Some(link);
            }
        }
    }

    /// Retries until there is a connection, or the server refuses in a way that will not change by itself.
    async fn connect(&self, timeout: Duration) -> Result<Link, Error> {
        let deadline = tokio::time::Instant::now() + timeout;
        let mut last = None;
        loop {
            let error = match tokio::time::timeout_at(deadline, self.attempt()).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(Error::Connect(error))) => error,
                Ok(Err(error)) => return Err(error),
                // The server's last answer says more than the time-out of a further attempt.
                Err(_elapsed) => last.take().unwrap_or_else(|| no_answer().into()),
            };
            if !is_passing(&error) || tokio::time::Instant::now() + PAUSE >= deadline {
                return Err(Error::Connect(error));
            }
            last = Some(error);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes one attempt to connect to a server that is accepted, with a pooler's options if a pooler is known or detected.
    async fn attempt(&self) -> Result<Link, Error> {
        let made_at = Instant::now();
        let mut mark = if self.pooling.is_on() { None } else { Some(SessionMark::new()?) };
        let connection = match self.connect_with(mark.as_ref()).await {
            // Poolers use this code to refuse start-up parameters that they do not know.
            Err(Error::Connect(refused)) if mark.is_some() && code(&refused).as_deref() == Some("08P01") => {
                let connection = self.connect_with(None).await?;
                self.pooling.turn_on();
                mark = None;
                Ok(connection)
            }
            outcome => outcome,
        };
        let mut link = Link { connection: connection?, made_at, is_pooled: mark.is_none() };
        if mark.is_none() && self.options.accepts_recovery {
            return Ok(link);
        }
        let session = Session::of(&mut link.connection).await.map_err(|error| Error::Connect(tidied(error)))?;
        if mark.is_some_and(|mark| !session.has(&mark)) {
            self.pooling.turn_on();
            link.is_pooled = true;
        }
        if session.is_in_recovery && !self.options.accepts_recovery {
            return Err(Error::Connect(std::io::Error::other("the server is in recovery").into()));
        }
        Ok(link)
    }

    async fn connect_with(&self, mark: Option<&SessionMark>) -> Result<PgConnection, Error> {
        // The options are built for each attempt, because a password in a file may have changed.
        let options = connect_options(&self.url, &self.options, mark)?;
        connect_once(&options).await.map_err(Error::Connect)
    }

    fn keep(&self, link: Link) {
        let mut state = self.lock();
        if link.made_at < state.trusted_from || link.made_at.elapsed() > MAX_AGE || self.permits.is_closed() {
            return;
        }
        state.idle.push(IdleConnection { link, since: Instant::now() });
        state.tidy();
    }

    /// Closes connections that have been idle for long. A periodic task calls this, because an idle store would
    /// otherwise keep them for ever.
    pub(crate) fn tidy(&self) {
        self.lock().tidy();
    }

    fn lock(&self) -> MutexGuard<'_, IdleConnections> {
        // The list is consistent between any two statements, so a panic elsewhere leaves it intact.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdleConnections {
    fn tidy(&mut self) {
        // The list begins with the connections that have been idle longest.
        let old = self.idle.partition_point(|idle| idle.since.elapsed() > MAX_IDLE);
        self.idle.drain(..old);
    }
}

impl InUse<'_> {
    /// Keeps the connection for the next call, because its last answer was read to the end.
    pub(crate) fn keep(self) {
        self.connections.keep(self.link);
    }

    /// Returns `true` if nothing that is prepared or set on the connection outlives a transaction.
    pub(crate) fn is_pooled(&self) -> bool {
        self.link.is_pooled
    }

    /// Returns the connection.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.link.connection
    }
}

fn no_answer() -> std::io::Error {
    std::io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

/// Returns `true` if a retry may help: the server is starting, or has no free connection.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::NotFound
            )
        }
        other => matches!(code(other).as_deref(), Some("57P03" | "53300")),
    }
}

/// Returns the options of a connection: for a session that gets this mark, or for a pooler without a mark. A password
/// in a file is read now.
fn connect_options(
    url: &DatabaseUrl,
    options: &Options,
    mark: Option<&SessionMark>,
) -> Result<PgConnectOptions, DatabaseUrlError> {
    let statement_timeout_ms = options.statement_timeout.as_millis().to_string();
    let common = url.connect_options(&options.application_name)?;
    let Some(mark) = mark else {
        // Poolers refuse start-up parameters that they do not know.
        return Ok(common.extra_float_digits(None));
    };
    Ok(common.options([
        ("statement_timeout", statement_timeout_ms.as_str()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MS),
        // With these settings the server ends the session of a client that is gone: after half a minute without an
        // answer and four more probes.
        ("tcp_keepalives_idle", "30"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "4"),
        mark.setting(),
        // Every statement finds rows by keys, whatever its values. Planning it again for the first five executions, and
        // comparing costs at each execution after that, gains nothing.
        ("plan_cache_mode", "force_generic_plan"),
    ]))
}
