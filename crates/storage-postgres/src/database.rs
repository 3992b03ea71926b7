//! Statements on the database, and how long anything may take.

use std::time::Duration;

use sea_orm::{Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{PgConnection, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

use crate::connections::Connections;
use crate::error::{Error, OpenError};
use crate::url::DatabaseUrl;

/// How much longer than the database may take for a statement the answer is waited for.
const GRACE: Duration = Duration::from_secs(3);

/// A statement with its values.
type Prepared<'q> = Query<'q, Postgres, SqlxValues>;

/// How a database is used; the default suits a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the database's views call this program.
    pub application_name: String,
    /// Connections at most, besides one for [`health`](quire_storage::NotebookStore::health).
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

impl Options {
    /// These, where the URL does not say otherwise.
    pub(crate) fn of(self, url: &DatabaseUrl) -> Self {
        Self { connect_timeout: url.connect_timeout().unwrap_or(self.connect_timeout), ..self }
    }
}

/// A database, reached through at most so many connections.
#[derive(Debug)]
pub(crate) struct Database {
    connections: Connections,
    options: Options,
    is_pooled: bool,
}

impl Database {
    /// Connects when it is needed. What is wrong with the settings is found out now.
    pub(crate) fn new(url: DatabaseUrl, options: Options) -> Result<Self, OpenError> {
        let is_pooled = url.is_pooled();
        let connections = Connections::new(url, options.clone())?;
        Ok(Self { connections, options, is_pooled })
    }

    /// Runs a statement and returns its rows; returns when its outcome is known, or that it is not. One that only reads
    /// runs on another connection again if the first is lost: after a restart of the database all are.
    pub(crate) async fn fetch(&self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let retry = is_read(&statement.sql).then(|| statement.clone());
        let fetch = async |connection: &mut PgConnection, query: Prepared<'_>| query.fetch_all(connection).await;
        match (self.run(statement, fetch).await, retry) {
            (Err(Error::Lost(_)), Some(statement)) => self.run(statement, fetch).await,
            (outcome, _) => outcome,
        }
    }

    /// Runs a statement and returns how many rows it changed.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<PgQueryResult, Error> {
        self.run(statement, async |connection, query| query.execute(connection).await).await
    }

    async fn run<T>(
        &self,
        statement: Statement,
        run: impl AsyncFn(&mut PgConnection, Prepared<'_>) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let mut in_use = self.connections.take(self.options.connect_timeout).await?;
        let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), values);
        let answer = async {
            if self.is_pooled {
                self.in_transaction(in_use.connection(), query, run).await
            } else {
                run(in_use.connection(), query).await
            }
        };
        let answer = tokio::time::timeout(self.options.statement_timeout + GRACE, answer);
        let outcome = match answer.await {
            Ok(outcome) => outcome.map_err(Error::executing),
            Err(_elapsed) => Err(Error::Silent),
        };
        if matches!(&outcome, Err(error) if error.is_in_doubt() || error.is_read_only()) {
            self.connections.distrust();
        } else {
            in_use.keep();
        }
        outcome
    }

    /// Runs a statement in a transaction of its own, with nothing that would have to outlive it on the server.
    async fn in_transaction<T>(
        &self,
        connection: &mut PgConnection,
        query: Prepared<'_>,
        run: impl AsyncFn(&mut PgConnection, Prepared<'_>) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let limit = self.options.statement_timeout.as_millis();
        let begin = format!("BEGIN; SET LOCAL statement_timeout = {limit}");
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await?;
        match run(&mut *connection, query.persistent(false)).await {
            Ok(rows) => sqlx::raw_sql("COMMIT").execute(&mut *connection).await.map(|_committed| rows),
            Err(refused) => sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.and(Err(refused)),
        }
    }

    /// Refuses every call at once, or, with `false`, ends that.
    pub(crate) fn hold(&self, held: bool) {
        self.connections.hold(held);
    }

    /// Closes connections that have long been idle.
    pub(crate) fn tidy(&self) {
        self.connections.tidy();
    }

    /// Closes all connections that are idle; those in use close when their calls end.
    pub(crate) async fn close(&self) {
        self.connections.close().await;
    }
}

/// Says whether a statement only reads. All of ours that begin so do; one that changes something begins with `WITH` or with what
/// it does.
fn is_read(sql: &str) -> bool {
    sql.starts_with("SELECT")
}
