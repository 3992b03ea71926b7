//! The roles of `docs/schema.md`, created by exactly the SQL that it shows.

use std::io::Write as _;
use std::process::{Command, Stdio};

use quire_migration::{MigrateError, STEPS, SchemaState, describe, fresh, state, up};
use quire_test_postgres::{Database, Server, Settings};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::support::{FIRST, LIMITS, SECOND, execute, fill, rows_of, tables, texts};

const DOCUMENT: &str = include_str!("../../../docs/schema.md");

/// Returns the n-th block of SQL of the document.
fn block(index: usize) -> &'static str {
    DOCUMENT.split("```sql\n").nth(index + 1).unwrap().split("```").next().unwrap()
}

fn psql(url: &str, sql: &str) {
    let mut psql = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", url, "--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    assert!(psql.wait().unwrap().success());
}

async fn refused(connection: &mut PgConnection, statement: &str) {
    let Err(error) = execute(connection, statement).await else { panic!("{statement} was allowed") };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    assert_eq!(code.as_deref(), Some("42501"), "insufficient privilege is what stops {statement}: {error}");
}

/// Runs on a server of its own, because roles belong to the whole server.
#[tokio::test]
async fn the_owner_migrates_and_the_server_has_rights_on_rows_only() {
    let server = Server::start(&Settings::default());
    let any = Database::empty_on(&server).await;
    psql(&any.url().replace(any.name(), "postgres"), block(0));
    let mut superuser = server.options().database("quire").connect().await.unwrap();
    execute(&mut superuser, "ALTER ROLE quire_owner PASSWORD 'o'; ALTER ROLE quire_server PASSWORD 's'").await.unwrap();
    let role = |name: &str, password: &str| -> PgConnectOptions {
        server.options().database("quire").username(name).password(password)
    };
    let (owner, data) = (role("quire_owner", "o"), role("quire_server", "s"));

    let report = up(&owner, STEPS, &LIMITS, &mut |_| ()).await.unwrap();
    assert_eq!(report.state, SchemaState::Current);
    let mut owners = owner.connect().await.unwrap();
    execute(&mut owners, block(1)).await.unwrap();

    // Statements that a server uses.
    let mut servers = data.connect().await.unwrap();
    assert_eq!(state(&mut servers, STEPS).await.unwrap(), SchemaState::Current);
    fill(&mut servers).await;
    for table in tables(&mut owners).await {
        let column = if ["users", "notebooks", "cells"].contains(&table.as_str()) { "id" } else { "ctid" };
        execute(&mut servers, format!("SELECT {column} FROM {table} FOR UPDATE")).await.unwrap();
        execute(&mut servers, format!("DELETE FROM {table}")).await.unwrap();
    }
    execute(&mut servers, rows_of(STEPS[0].name)).await.unwrap();
    execute(&mut servers, "UPDATE users SET email = 'a@example.org'; SELECT nextval('notebook_versions')")
        .await
        .unwrap();

    // Statements that a server must not be allowed.
    for statement in [
        "CREATE TABLE mine (id integer)",
        "CREATE TEMPORARY TABLE mine (id integer)",
        "CREATE SCHEMA mine",
        "CREATE SEQUENCE mine",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE cells ADD COLUMN mine text",
        "ALTER TABLE cells DISABLE TRIGGER ALL",
        "CREATE INDEX mine ON cells (code)",
        "DROP TABLE cell_outputs",
        "DROP INDEX notebooks_listing",
        "TRUNCATE cell_outputs",
        "SELECT setval('notebook_versions', 1)",
        "INSERT INTO quire_migrations VALUES ('m', 'c', 'compatible', now(), now())",
        "UPDATE quire_migrations SET checksum = ''",
        "DELETE FROM quire_migrations",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
    ] {
        refused(&mut servers, statement).await;
    }
    let error = up(&data, &[STEPS, &[FIRST]].concat(), &LIMITS, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Database { .. } | MigrateError::Step { .. }), "{error}");

    // A future step gives the server its rights, and a fresh start keeps them.
    let steps = [STEPS, &[SECOND]].concat();
    up(&owner, &steps, &LIMITS, &mut |_| ()).await.unwrap();
    execute(&mut servers, "INSERT INTO second VALUES (1)").await.unwrap();
    fresh(&owner, &steps, &LIMITS, &mut |_| ()).await.unwrap();
    execute(&mut servers, "INSERT INTO second VALUES (1)").await.unwrap();
    refused(&mut servers, "DELETE FROM quire_migrations").await;
    assert!(describe(&mut servers).await.unwrap().contains("table second"));

    // The migrator sees the state of the blocking session.
    execute(&mut servers, "SET application_name = 'quire-server'; BEGIN; LOCK TABLE second IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    let blocked = quire_migration::down(&owner, &steps, 1, &LIMITS, &mut |_| ()).await.unwrap_err();
    let named =
        "of user \"quire_server\", application \"quire-server\", idle in transaction, in a transaction since 20";
    assert!(blocked.to_string().contains(named), "{blocked}");
}

/// Tests the document's query that finds the holder of the lock.
#[tokio::test]
async fn the_query_for_the_lock_finds_its_holder() {
    let database = Database::empty().await;
    let mut holder = database.connect().await;
    let script = quire_migration::sql(STEPS);
    let lock = script.lines().find(|line| line.contains("pg_advisory_xact_lock")).unwrap();
    execute(&mut holder, format!("BEGIN; {lock}")).await.unwrap();
    let pid = texts(&mut holder, "SELECT pg_backend_pid()::text").await;
    let query = block(2).replace("SELECT pid,", "SELECT pid::text,").replace(';', "");
    let here = format!("{query} AND datname = current_database()");
    assert_eq!(texts(&mut database.connect().await, here).await, pid);
}
