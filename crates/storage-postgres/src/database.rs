//! Statements on the database, and how long anything may take.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

use crate::connections::Connections;
use crate::doubt::Doubts;
use crate::error::{Error, OpenError};
use crate::pooling::Pooling;
use crate::url::DatabaseUrl;

/// How much longer than the database may take for a statement the answer is waited for.
const GRACE: Duration = Duration::from_secs(3);

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
    pooling: Arc<Pooling>,
    pub(crate) doubts: Doubts,
}

impl Database {
    /// Connects when it is needed. What is wrong with the settings is found out now.
    pub(crate) fn new(url: DatabaseUrl, options: Options, pooling: Arc<Pooling>) -> Result<Self, OpenError> {
        let connections = Connections::new(url, options.clone(), Arc::clone(&pooling))?;
        Ok(Self { connections, options, pooling, doubts: Doubts::default() })
    }

    /// Runs a statement that returns at most one row; returns when its outcome is known, or that it is not.
    pub(crate) async fn fetch_optional(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Option<PgRow>, Error> {
        Ok(self.fetch_all(query).await?.pop())
    }

    /// Runs a statement.
    pub(crate) async fn fetch_all(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, Error> {
        let mut in_use = self.connections.take(self.options.connect_timeout).await?;
        let is_pooled = in_use.is_pooled();
        let answer = async {
            if is_pooled {
                self.in_transaction(in_use.connection(), query).await
            } else {
                query.fetch_all(in_use.connection()).await
            }
        };
        let answer = tokio::time::timeout(self.options.statement_timeout + GRACE, answer);
        let outcome = match answer.await {
            Ok(outcome) => outcome.map_err(Error::executing),
            Err(_elapsed) => Err(Error::Silent),
        };
        match &outcome {
            Err(error) if !is_pooled && error.shows_pooler() => {
                self.pooling.turn_on();
                self.connections.distrust();
            }
            Err(error) if error.is_in_doubt() || error.is_read_only() => self.connections.distrust(),
            _ => in_use.keep(),
        }
        outcome
    }

    /// Runs a statement in a transaction of its own, with nothing that would have to outlive it on the server.
    async fn in_transaction(
        &self,
        connection: &mut PgConnection,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let limit = self.options.statement_timeout.as_millis();
        let begin = format!("BEGIN; SET LOCAL statement_timeout = {limit}");
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await?;
        match query.persistent(false).fetch_all(&mut *connection).await {
            Ok(rows) => sqlx::raw_sql("COMMIT").execute(&mut *connection).await.map(|_committed| rows),
            Err(refused) => sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.and(Err(refused)),
        }
    }

    /// Runs a read, on another connection again if the first is lost: after a restart of the database all are. Likewise where
    /// the first turns out to be a pooler's.
    pub(crate) async fn read<'q>(
        &self,
        query: impl Fn() -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, Error> {
        match self.fetch_all(query()).await {
            Err(error) if matches!(error, Error::Lost(_)) || error.shows_pooler() => self.fetch_all(query()).await,
            outcome => outcome,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A pooler that passes start-up parameters on is noticed by what becomes of prepared statements.
    #[tokio::test]
    async fn a_prepared_statement_that_is_gone_shows_a_pooler() {
        let database = quire_test_postgres::Database::empty().await;
        let url = DatabaseUrl::parse(database.url()).unwrap();
        let options = Options { max_connections: 1, ..Options::default() };
        let connect = || Database::new(url.clone(), options.clone(), Arc::new(Pooling::new(false))).unwrap();
        let written = connect();
        let (written, read) = (&written, &connect());
        for database in [written, read] {
            database.fetch_all(sqlx::query("SELECT 1")).await.unwrap();
            database.fetch_all(sqlx::query("DEALLOCATE ALL")).await.unwrap();
            assert!(!database.pooling.is_on());
        }
        let refused = written.fetch_all(sqlx::query("SELECT 1")).await.unwrap_err();
        assert!(refused.shows_pooler() && refused.of_read("look").to_string().contains("pgbouncer=true"));
        assert!(written.pooling.is_on());
        read.read(|| sqlx::query("SELECT 1")).await.unwrap();
        for database in [written, read] {
            assert_eq!(database.fetch_all(sqlx::query("SELECT 1")).await.unwrap().len(), 1);
        }
    }
}
