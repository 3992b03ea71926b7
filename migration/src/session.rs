//! Connections as the runner uses them: statements as text, with one round trip each.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _};

use crate::MigrateError;
use crate::connection::{connect_once, tidied};

/// Opens a connection that works through a pooler in transaction mode, within the time-out.
///
/// # Errors
///
/// If no connection can be made.
pub async fn connect(options: &PgConnectOptions, timeout: Duration) -> Result<PgConnection, MigrateError> {
    let failed = |source| MigrateError::Connect { place: place(options), source };
    // Poolers refuse start-up parameters that they do not know; sqlx would send this one, which the runner does not
    // need. Slow statements are normal here and need no warning.
    let tuned = options.clone().statement_cache_capacity(0).extra_float_digits(None).disable_statement_logging();
    match tokio::time::timeout(timeout, connect_once(&tuned)).await {
        Ok(connection) => connection.map_err(failed),
        Err(_elapsed) => Err(failed(no_response())),
    }
}

/// Opens the connection that runs the steps while another one holds the lock. A pooler accepts clients before it has a
/// server connection for them, so only a response shows that there is one.
pub(crate) async fn connect_second(
    options: &PgConnectOptions,
    timeout: Duration,
) -> Result<PgConnection, MigrateError> {
    let failed = |source| MigrateError::SecondConnection { place: place(options), source };
    let mut connection = connect(options, timeout).await.map_err(|error| match error {
        MigrateError::Connect { source, .. } => failed(source),
        other => other,
    })?;
    match tokio::time::timeout(timeout, execute(&mut connection, "SELECT 1")).await {
        Ok(Ok(_answered)) => Ok(connection),
        Ok(Err(source)) => Err(failed(source)),
        Err(_elapsed) => Err(failed(no_response())),
    }
}

fn no_response() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no response in time").into()
}

/// Refuses a database whose encoding cannot hold every character, or does not distinguish characters from bytes
/// (`SQL_ASCII`).
pub(crate) async fn check_encoding(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let sql = "SELECT current_database()::text, current_setting('server_encoding')";
    let read = async {
        let rows = rows(connection, sql).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    };
    let (database, encoding): (_, String) = read.await.map_err(MigrateError::database("read the encoding"))?;
    if encoding == "UTF8" { Ok(()) } else { Err(MigrateError::Encoding { database, encoding }) }
}

/// Describes the database, server and role for a sentence.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let server = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    format!("{database:?} on {server} as user {:?}", options.get_username())
}

/// Sends SQL as one message of the simple protocol, and returns the number of rows it changed.
pub(crate) async fn execute(connection: &mut PgConnection, sql: impl Into<String>) -> sqlx::Result<u64> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.map(|done| done.rows_affected()).map_err(tidied)
}

/// Sends SQL as one message of the simple protocol, and returns the resulting rows.
pub(crate) async fn rows(connection: &mut PgConnection, sql: impl Into<String>) -> sqlx::Result<Vec<PgRow>> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).fetch_all(connection).await.map_err(tidied)
}

/// Settings on which the meaning of SQL texts and of schema descriptions depends. They are set for the transaction,
/// regardless of the settings of the role and the database.
pub(crate) const DIALECT: &str = "\
    SET LOCAL standard_conforming_strings = on; \
    SET LOCAL transform_null_equals = off; \
    SET LOCAL array_nulls = on; \
    SET LOCAL quote_all_identifiers = off; \
    SET LOCAL bytea_output = 'hex'; \
    SET LOCAL extra_float_digits = 1; \
    SET LOCAL DateStyle = 'ISO, MDY'; \
    SET LOCAL IntervalStyle = 'postgres'; \
    SET LOCAL TimeZone = 'UTC';";

/// Returns the SQL that opens a transaction with the time-outs of the runner instead of the role's.
pub(crate) fn begin(lock_timeout_ms: u128) -> String {
    // Other isolation levels keep a snapshot beyond its statement, for which `CREATE INDEX CONCURRENTLY` would wait.
    // Servers before 17 have no `transaction_timeout`, so it is set only if `pg_settings` lists it.
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
         SET LOCAL lock_timeout = '{lock_timeout_ms}ms'; \
         SET LOCAL statement_timeout = 0; \
         SET LOCAL idle_in_transaction_session_timeout = 0; \
         {DIALECT} \
         SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout';"
    )
}
