//! Helpers that the tests share.

use std::process::{Child, Command, Output, Stdio};

use quire_migration::{Limits, Step};
use quire_test_postgres::Database;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

/// Exit code and output of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Returns the migrator with an empty environment except what the test sets.
pub(crate) fn migrator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire-migrate"));
    command.args(arguments).env_clear().env("RUST_BACKTRACE", "full");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the migrator on a database.
pub(crate) fn start(url: &str, arguments: &[&str]) -> Child {
    migrator(arguments).env("DATABASE_URL", url).spawn().unwrap()
}

/// Runs the migrator on a database to its end.
pub(crate) fn run(url: &str, arguments: &[&str]) -> Ended {
    end(start(url, arguments))
}

pub(crate) fn end(process: Child) -> Ended {
    process.wait_with_output().unwrap().into()
}

/// Returns the password in a database's URL.
pub(crate) fn password(url: &str) -> &str {
    let user_info = url.split_once("://").unwrap().1.split_once('@').unwrap().0;
    user_info.split_once(':').expect("the server that tests run on asks for a password").1
}

/// Returns a database brought to these steps.
pub(crate) async fn migrated(steps: &[Step]) -> Database {
    let database = Database::empty().await;
    quire_migration::up(&database.options(), steps, &Limits::default(), &mut |_| ()).await.unwrap();
    database
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.unwrap();
}

/// Returns the first column of every row, as text.
pub(crate) async fn texts(connection: &mut PgConnection, sql: impl Into<String>) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.into())).fetch_all(connection).await.unwrap();
    rows.iter().map(|row: &PgRow| row.get(0)).collect()
}

/// Waits until the query returns a row, and returns the first row's text.
pub(crate) async fn found(connection: &mut PgConnection, sql: &str) -> String {
    // The limit is far beyond the usual time, so that only a fault ends the test.
    for _ in 0..3_000 {
        if let Some(text) = texts(connection, sql).await.pop() {
            return text;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nothing was ever found by: {sql}");
}

/// Query for the migrator's process that waits for a table's lock in this database.
pub(crate) const WAITING: &str = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
                                  AND application_name = 'quire-migrate' AND wait_event_type = 'Lock'";
