//! Execution of statements on the database, with time-outs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::{Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{PgConnection, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Execute as _, Postgres};

use crate::connections::Connections;
use crate::error::{Error, OpenError};
use crate::pooling::Pooling;
use crate::url::DatabaseUrl;

/// Time beyond the database's statement time-out for which an answer is awaited.
const GRACE: Duration = Duration::from_secs(3);

/// Time after which the database ends a session whose client does not continue its transaction, in milliseconds.
pub(crate) const IDLE_IN_TRANSACTION_MS: &str = "60000";

/// A statement with its values.
type Prepared<'q> = Query<'q, Postgres, SqlxValues>;

/// Use of a database; the default suits a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this program in the database's views.
    pub application_name: String,
    /// Maximum number of connections, besides one for [`health`](quire_storage::NotebookQueries::health).
    pub max_connections: u32,
    /// Time for which a call waits for a connection when all are in use.
    pub acquire_timeout: Duration,
    /// Time-out for connecting, unless the URL has one.
    pub connect_timeout: Duration,
    /// `true` to use a server in recovery too, whose data may be behind what was acknowledged; otherwise it counts as away.
    pub accepts_recovery: bool,
    /// Time-out of one statement. The database enforces it, so that the outcome is known.
    pub statement_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            application_name: "quire".to_owned(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            accepts_recovery: false,
            statement_timeout: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// Returns these options with the URL's time-out for connecting, if it has one.
    pub(crate) fn of(self, url: &DatabaseUrl) -> Self {
        Self { connect_timeout: url.connect_timeout().unwrap_or(self.connect_timeout), ..self }
    }
}

/// A database with a bounded number of connections.
#[derive(Debug)]
pub(crate) struct Database {
    connections: Arc<Connections>,
    options: Options,
    pooling: Arc<Pooling>,
    /// `true` while every call is refused, because the schema has not been checked yet.
    held: AtomicBool,
}

impl Database {
    /// Creates a database that connects on demand. Fails at once if the settings are invalid.
    pub(crate) fn new(url: DatabaseUrl, options: Options, pooling: Arc<Pooling>) -> Result<Self, OpenError> {
        let connections = Arc::new(Connections::new(url, options.clone(), Arc::clone(&pooling))?);
        Ok(Self { connections, options, pooling, held: AtomicBool::new(false) })
    }

    /// Returns another use of the same connections, with this time-out for connecting. It is not affected by [`Self::hold`].
    pub(crate) fn sharing(&self, connect_timeout: Duration) -> Self {
        let (connections, pooling) = (Arc::clone(&self.connections), Arc::clone(&self.pooling));
        let options = Options { connect_timeout, ..self.options.clone() };
        Self { connections, options, pooling, held: AtomicBool::new(false) }
    }

    /// Runs a statement and returns its rows, or an error that tells whether its outcome is known. A statement that
    /// only reads is retried once on another connection if its connection is lost, as all are after a restart of the
    /// database, or turns out to be a pooler's.
    pub(crate) async fn fetch(&self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let retry = is_read(&statement.sql).then(|| statement.clone());
        let fetch = async |connection: &mut PgConnection, query: Prepared<'_>| query.fetch_all(connection).await;
        match (self.run(statement, fetch).await, retry) {
            (Err(error), Some(statement)) if matches!(error, Error::Lost(_)) || error.shows_pooler() => {
                self.run(statement, fetch).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Runs a statement and returns the number of rows it changed. A text without values may contain several
    /// statements, and is not prepared.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<PgQueryResult, Error> {
        let is_text = statement.values.is_none();
        let execute = async move |connection: &mut PgConnection, query: Prepared<'_>| {
            if is_text { sqlx::raw_sql(query.sql()).execute(connection).await } else { query.execute(connection).await }
        };
        self.run(statement, execute).await
    }

    async fn run<T>(
        &self,
        statement: Statement,
        run: impl AsyncFn(&mut PgConnection, Prepared<'_>) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        if self.held.load(Ordering::Acquire) {
            return Err(Error::Held);
        }
        let mut in_use = self.connections.take(self.options.connect_timeout).await?;
        let is_pooled = in_use.is_pooled();
        let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), values);
        let answer = async {
            if is_pooled {
                self.in_transaction(in_use.connection(), query, run).await
            } else {
                (run(in_use.connection(), query).await, true)
            }
        };
        let answer = tokio::time::timeout(self.options.statement_timeout + GRACE, answer);
        let (outcome, is_out) = match answer.await {
            Ok((outcome, is_out)) => (outcome.map_err(Error::executing), is_out),
            Err(_elapsed) => (Err(Error::Silent), false),
        };
        match &outcome {
            Err(error) if !is_pooled && error.shows_pooler() => {
                self.pooling.turn_on();
                self.connections.distrust();
            }
            Err(error) if error.is_in_doubt() || error.is_read_only() => self.connections.distrust(),
            _ if is_out => in_use.keep(),
            // The connection is dropped and thereby closed: it is still in the failed transaction, so the server would
            // refuse the next statement (25P02).
            _ => {}
        }
        outcome
    }

    /// Runs a statement in its own transaction, with no state on the server that would have to outlive it. The database ends
    /// the transaction of a silent client. Returns the outcome, and `true` if the connection is known to have left the
    /// transaction.
    async fn in_transaction<T>(
        &self,
        connection: &mut PgConnection,
        query: Prepared<'_>,
        run: impl AsyncFn(&mut PgConnection, Prepared<'_>) -> Result<T, sqlx::Error>,
    ) -> (Result<T, sqlx::Error>, bool) {
        let limit = self.options.statement_timeout.as_millis();
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {limit}; \
             SET LOCAL idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}"
        );
        let outcome = match sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await {
            Ok(_begun) => run(&mut *connection, query.persistent(false)).await,
            Err(refused) => Err(refused),
        };
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = sqlx::raw_sql(end).execute(&mut *connection).await;
        let is_out = ended.is_ok();
        // A refused statement remains refused, whatever the outcome of the rollback.
        (outcome.and_then(|rows| ended.map(|_committed| rows)), is_out)
    }

    /// Refuses every call at once if `held` is `true`, until a call with `false`.
    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    /// Closes connections that have been idle for long.
    pub(crate) fn tidy(&self) {
        self.connections.tidy();
    }

    /// Closes all idle connections; those in use close when their calls end.
    pub(crate) async fn close(&self) {
        self.connections.close().await;
    }
}

/// Returns `true` if a statement only reads. All of this crate's statements that begin with `SELECT` do; one that
/// changes data begins with `WITH` or with its verb.
fn is_read(sql: &str) -> bool {
    sql.starts_with("SELECT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> Statement {
        Statement::from_string(sea_orm::DbBackend::Postgres, text)
    }

    async fn open(pgbouncer: bool) -> (quire_test_postgres::Database, Database) {
        let database = quire_test_postgres::Database::empty().await;
        let url = DatabaseUrl::parse(database.url()).unwrap();
        let options = Options { max_connections: 1, ..Options::default() };
        let opened = Database::new(url, options, Arc::new(Pooling::new(pgbouncer))).unwrap();
        (database, opened)
    }

    /// Tests that errors of prepared statements reveal a pooler that passes start-up parameters on.
    #[tokio::test]
    async fn a_prepared_statement_that_is_gone_shows_a_pooler() {
        for is_read in [false, true] {
            let (_database, store) = open(false).await;
            let statement = if is_read { "SELECT 1" } else { "VALUES (1)" };
            store.fetch(sql(statement)).await.unwrap();
            store.fetch(sql("DEALLOCATE ALL")).await.unwrap();
            assert!(!store.pooling.is_on());
            if is_read {
                store.fetch(sql(statement)).await.unwrap();
            } else {
                let refused = store.fetch(sql(statement)).await.unwrap_err();
                assert!(refused.shows_pooler() && refused.of_read("look").to_string().contains("pgbouncer=true"));
            }
            assert!(store.pooling.is_on());
            assert_eq!(store.fetch(sql("SELECT 1")).await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_text_may_hold_several_statements() {
        for pgbouncer in [false, true] {
            let (_database, store) = open(pgbouncer).await;
            store.execute(sql("CREATE TABLE t (id integer); INSERT INTO t VALUES (1), (2)")).await.unwrap();
            assert_eq!(store.fetch(sql("SELECT id FROM t")).await.unwrap().len(), 2);
        }
    }

    /// Tests that an error at any place between `BEGIN` and the answer to `COMMIT` affects this call and never the next
    /// one.
    #[tokio::test]
    async fn no_error_in_a_transaction_meets_the_next_statement() {
        let (database, mut store) = open(true).await;
        let prepare = "CREATE TABLE t (id integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (1);
            CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$;
            CREATE TABLE refused (id integer);
            CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON refused DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION refuse_commit();
            CREATE TABLE ended (id integer);
            CREATE FUNCTION end_commit() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(60); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER finish AFTER INSERT ON ended DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION end_commit();";
        sqlx::raw_sql(prepare).execute(&mut database.connect().await).await.unwrap();
        let next = async |store: &Database, after: &str| {
            let rows = store.fetch(sql("SELECT 1")).await;
            assert_eq!(rows.unwrap_or_else(|error| panic!("after {after}: {error:?}")).len(), 1);
        };
        next(&store, "nothing").await;

        let usual = store.options.statement_timeout;
        for (what, timeout, code) in [
            // `SET LOCAL` refuses a value above the maximum.
            ("SELECT 1", Duration::from_millis(1 << 31), Some("22023")),
            ("SELECT * FROM nowhere", usual, Some("42P01")),
            ("SELECT 1 / 0", usual, Some("22012")),
            ("SELECT pg_sleep(60)", Duration::from_millis(50), Some("57014")),
            ("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)", usual, None),
            // `COMMIT` refuses.
            ("INSERT INTO t VALUES (1)", usual, Some("23505")),
            ("INSERT INTO refused VALUES (1)", usual, Some("40001")),
            ("INSERT INTO ended VALUES (1)", usual, None),
        ] {
            store.options.statement_timeout = timeout;
            let error = store.fetch(sql(what)).await.unwrap_err();
            store.options.statement_timeout = usual;
            assert_eq!(error.refusal(), code, "{what}: {error:?}");
            assert_eq!(error.is_in_doubt(), code.is_none(), "{what}: {error:?}");
            next(&store, what).await;
        }
        // The statement itself ends the transaction, so the server refuses neither the statement nor `ROLLBACK` nor the
        // next statement.
        store.fetch(sql("ROLLBACK")).await.unwrap();
        next(&store, "ROLLBACK").await;
        let dropped = tokio::time::timeout(Duration::from_millis(50), store.fetch(sql("SELECT pg_sleep(60)")));
        dropped.await.unwrap_err();
        next(&store, "a call that was dropped").await;
    }
}
