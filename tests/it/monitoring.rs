//! Tests of the queries of `infra/monitoring`: each runs under the role that the documents name, on a migrated database
//! with data for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use quire_test_postgres::{Server, Settings};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Row as _};

use crate::operations::{make_master, quire_migrate, quire_roles, said};

const OWNER: &str = "0wn3r";
const SERVER: &str = "s3rv3r";
/// Time-out for the expected result of a query.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three users; the last one has the largest notebook.
const NOTEBOOKS: &str = "
    INSERT INTO users (id) VALUES ('ann'), ('ben'), ('cleo');
    INSERT INTO notebooks (id, user_id, revision, version, commit_ids, commit_versions, created_at, updated_at)
    SELECT u || '-' || n, u, n, nextval('notebook_versions'), '{}', '{}', now(), now()
    FROM unnest(ARRAY['ann', 'ben', 'cleo']) AS u, generate_series(1, 4) AS n;
    INSERT INTO cells (notebook_id, id, order_key, type, code, reads, writes, revision)
    SELECT id, 'c' || n, lpad(n::text, 4, '0'), 'python', repeat('x', 100 * n), '{}', '{}', 1
    FROM notebooks, generate_series(1, CASE id WHEN 'cleo-4' THEN 50 ELSE 3 END) AS n;
    INSERT INTO cell_outputs (notebook_id, cell_id, ordinal, mime_type, data, metadata)
    SELECT notebook_id, id, 0, 'text/plain', to_json(repeat('y', 5000)), '{}' FROM cells;
    UPDATE cells SET code = code || ' # edited' WHERE notebook_id = 'ann-1';
    DELETE FROM cells WHERE notebook_id = 'ben-1'";

/// Statements of the database's administrator; on RDS, the master user may run them.
const EXTENSION: &str = "
    CREATE EXTENSION pg_stat_statements;
    GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO quire_master WITH GRANT OPTION";

async fn run(connection: &mut PgConnection, sql: impl Into<String>) -> Vec<PgRow> {
    let sql = sql.into();
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_all(connection).await;
    rows.unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/monitoring"))
}

/// Returns the rows of a file's query, as texts by column, whatever their types.
async fn rows_of(connection: &mut PgConnection, file: &str) -> Vec<Vec<(String, String)>> {
    let sql = fs::read_to_string(folder().join(file)).unwrap();
    let sql = sql.trim_end().strip_suffix(';').expect("a file holds one statement");
    let rows = run(connection, format!("SELECT row_to_json(answer)::text AS line FROM (\n{sql}\n) AS answer")).await;
    let fields = |row: &PgRow| {
        assert_eq!(row.column(0).name(), "line");
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row.get(0)).unwrap();
        let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line.into_iter().map(|(name, value)| (name, text(value))).collect()
    };
    rows.iter().map(fields).collect()
}

fn field<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    let found = row.iter().find(|(column, _)| column == name);
    &found.unwrap_or_else(|| panic!("there is no column {name} in {row:?}")).1
}

fn find<'a>(rows: &'a [Vec<(String, String)>], name: &str, value: &str) -> &'a [(String, String)] {
    rows.iter().find(|row| field(row, name) == value).unwrap_or_else(|| panic!("no row has {name} {value}: {rows:?}"))
}

/// Repeats a query until it has a row that fits: the server's counts and a session's activity are visible a moment
/// later.
async fn row_of(
    connection: &mut PgConnection,
    file: &str,
    fits: impl Fn(&[(String, String)]) -> bool,
) -> Vec<(String, String)> {
    let start = Instant::now();
    loop {
        let rows = rows_of(connection, file).await;
        if let Some(row) = rows.iter().find(|row| fits(row)) {
            return row.clone();
        }
        assert!(start.elapsed() < PATIENCE, "{file} does not show it: {rows:?}");
    }
}

/// A PostgreSQL server for one test, because `pg_stat_statements` has to be loaded from the start, and slots belong to
/// the whole server. Its database has the owner's and the server's role, as `quire-roles` makes them.
struct Installation {
    postgres: Server,
}

impl Installation {
    async fn make() -> Self {
        let conf = [
            "shared_preload_libraries = 'pg_stat_statements'",
            "wal_level = logical",
            "autovacuum = off",
            "max_prepared_transactions = 2",
            "deadlock_timeout = 10ms",
        ];
        let postgres = Server::start(&Settings { conf: conf.map(str::to_owned).to_vec(), ..Settings::default() });
        make_master(&postgres).await;
        let installation = Self { postgres };
        run(&mut installation.superuser().await, EXTENSION).await;
        for done in [
            quire_roles(&installation.postgres, "make", OWNER, SERVER),
            quire_migrate(&installation.postgres, "up", OWNER),
            quire_roles(&installation.postgres, "close", OWNER, SERVER),
        ] {
            assert!(done.status.success(), "{}", said(&done));
        }
        installation
    }

    async fn superuser(&self) -> PgConnection {
        self.postgres.options().database("quire").connect().await.unwrap()
    }

    async fn operator(&self) -> PgConnection {
        self.connect("quire_owner", OWNER, "psql").await
    }

    /// Opens a session as a server does, with this application name.
    async fn server(&self, application: &str) -> PgConnection {
        self.connect("quire_server", SERVER, application).await
    }

    async fn connect(&self, role: &str, password: &str, application: &str) -> PgConnection {
        let options = self.postgres.options().database("quire").username(role).password(password);
        options.application_name(application).connect().await.unwrap()
    }
}

#[tokio::test]
async fn every_query_runs_and_shows_what_it_is_for() {
    let installation = Installation::make().await;
    let mut operator = installation.operator().await;
    run(&mut operator, NOTEBOOKS).await;
    let vacuum = rows_of(&mut operator, "vacuum.sql").await;
    let guessed: Vec<_> = vacuum.iter().filter(|row| field(row, "heap_factor") != "null").collect();
    assert!(guessed.is_empty(), "nothing was analysed yet: {guessed:?}");
    run(&mut operator, "ANALYZE").await;

    // One session leaves its transaction open, and another waits for it.
    let mut forgetful = installation.server("forgetful").await;
    run(&mut forgetful, "BEGIN; UPDATE notebooks SET name = 'a' WHERE id = 'ann-1'").await;
    let mut waiting = installation.server("waiting").await;
    let waits = tokio::spawn(async move {
        run(&mut waiting, "UPDATE notebooks SET name = 'b' WHERE id = 'ann-1'").await;
    });
    let mut locks = rows_of(&mut operator, "locks.sql").await;
    while locks.is_empty() {
        assert!(!waits.is_finished(), "nobody waits");
        locks = rows_of(&mut operator, "locks.sql").await;
    }
    assert_eq!(field(&locks[0], "waiting_application"), "waiting");
    assert_eq!(field(&locks[0], "blocker_application"), "forgetful");
    assert_eq!(field(&locks[0], "blocker_state"), "idle in transaction");
    assert!(field(&locks[0], "blocker_last_statement").contains("BEGIN; UPDATE notebooks"));
    let connections = rows_of(&mut operator, "connections.sql").await;
    let forgotten = find(&connections, "application", "forgetful");
    assert_eq!(field(forgotten, "connections"), "1");
    assert_ne!(field(forgotten, "oldest_transaction"), "null");
    assert_eq!(field(forgotten, "most"), "200");
    run(&mut forgetful, "ROLLBACK").await;
    waits.await.unwrap();

    let usage = rows_of(&mut operator, "usage.sql").await;
    assert_eq!(usage.len(), 3);
    assert_eq!(
        (field(&usage[0], "user_id"), field(&usage[0], "notebooks"), field(&usage[0], "cells")),
        ("cleo", "4", "59")
    );
    assert_eq!(field(find(&usage, "user_id", "ben"), "cells"), "9");
    assert_eq!(field(&usage[0], "output_bytes"), (59 * 5002).to_string());

    let largest = rows_of(&mut operator, "largest_notebooks.sql").await;
    assert_eq!((field(&largest[0], "notebook_id"), field(&largest[0], "outputs")), ("cleo-4", "50"));
    assert_eq!(field(&largest[0], "code_bytes"), (50 * 51 / 2 * 100).to_string());

    let sizes = rows_of(&mut operator, "sizes.sql").await;
    let cells = find(&sizes, "name", "cells");
    assert!(field(cells, "total_bytes").parse::<u64>().unwrap() > 8192);
    assert_eq!(field(&sizes[0], "name"), "(database)");

    let indexes = rows_of(&mut operator, "index_use.sql").await;
    let listing = find(&indexes, "index_name", "notebooks_listing");
    assert_eq!((field(listing, "needed"), field(listing, "valid")), ("false", "true"));
    assert_eq!(field(find(&indexes, "index_name", "cells_pkey"), "needed"), "true");

    let statements = rows_of(&mut operator, "slow_statements.sql").await;
    let insert = statements.iter().find(|row| field(row, "statement").contains("INSERT INTO cell_outputs"));
    let insert = insert.expect("the largest statement is among them");
    assert!(field(insert, "statement").contains("$1"), "values are placeholders: {insert:?}");
    run(&mut operator, "SELECT pg_stat_statements_reset()").await;
    // As in the program's own statements, a comment comes first, and it is longer than the text that is shown.
    let commented = format!("-- {}\nSELECT /* more */ count(*) FROM cells WHERE code = 'hunter2'", "why ".repeat(100));
    run(&mut installation.server("quire-server").await, commented).await;
    let statements = rows_of(&mut operator, "slow_statements.sql").await;
    let text = "SELECT /* more */ count(*) FROM cells WHERE code = $1";
    assert_eq!(field(find(&statements, "statement", text), "calls"), "1");
    assert!(!statements.iter().any(|row| field(row, "statement").contains("INSERT INTO cell_outputs")), "not reset");

    run(&mut operator, "VACUUM (ANALYZE) notebooks").await;
    let vacuum = rows_of(&mut operator, "vacuum.sql").await;
    assert_ne!(field(find(&vacuum, "table_name", "notebooks"), "last_vacuum"), "null");
    assert_ne!(field(find(&vacuum, "table_name", "cells"), "heap_factor"), "null");

    let mut superuser = installation.superuser().await;
    run(&mut superuser, "SELECT pg_create_physical_replication_slot('forgotten', true)").await;
    let replication = rows_of(&mut operator, "replication.sql").await;
    let slot = find(&replication, "name", "forgotten");
    assert_eq!((field(slot, "kind"), field(slot, "state")), ("slot", "inactive"));
    assert_eq!(field(find(&replication, "kind", "this database"), "state"), "primary");

    let steps = rows_of(&mut operator, "migration.sql").await;
    assert!(steps.len() >= 5 && steps.iter().all(|step| field(step, "state") == "applied"), "{steps:?}");
    assert_eq!(field(&steps[0], "migrator_pid"), "null");
    let mut migrator = installation.operator().await;
    run(&mut migrator, "SELECT pg_advisory_lock((113::bigint << 32) | 1969844837)").await;
    run(
        &mut operator,
        "UPDATE quire_migrations SET finished_at = NULL WHERE name = (SELECT max(name) FROM quire_migrations)",
    )
    .await;
    let steps = rows_of(&mut operator, "migration.sql").await;
    assert_eq!(field(&steps[0], "state"), "unfinished");
    assert_ne!(field(&steps[0], "migrator_pid"), "null", "the migrator's lock was not found");
}

/// Tests that the operator finds and ends sessions that block vacuum but no other session.
#[tokio::test]
async fn whoever_holds_vacuum_back_is_found_and_ended() {
    let installation = Installation::make().await;
    let mut operator = installation.operator().await;
    run(&mut operator, NOTEBOOKS).await;
    let slot = "SELECT pg_create_logical_replication_slot('reader', 'pgoutput')";
    run(&mut installation.superuser().await, slot).await;
    let mut prepared = installation.server("prepared").await;
    run(&mut prepared, "BEGIN; UPDATE notebooks SET name = 'a' WHERE id = 'ann-2'; PREPARE TRANSACTION 'undecided'")
        .await;

    let mut forgetful = installation.server("forgetful").await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM notebooks -- of all";
    run(&mut forgetful, begin).await;
    run(&mut operator, "UPDATE notebooks SET name = 'b' WHERE id = 'ann-3'").await;
    let session = row_of(&mut operator, "long_transactions.sql", |row| field(row, "application") == "forgetful").await;
    assert_eq!((field(&session, "state"), field(&session, "waiting_for_it")), ("idle in transaction", "0"));
    assert_ne!((field(&session, "in_transaction"), field(&session, "idle_for")), ("null", "null"));
    assert!(field(&session, "last_statement").ends_with("SELECT count(*) FROM notebooks"), "{session:?}");
    let pid = field(&session, "pid").to_owned();

    let horizon = rows_of(&mut operator, "horizon.sql").await;
    for (kind, holder) in [("session", &*pid), ("prepared transaction", "undecided"), ("slot", "reader")] {
        let row = find(&horizon, "holder", holder);
        assert_eq!(field(row, "kind"), kind);
        assert!(field(row, "transactions_behind").parse::<u64>().unwrap() > 0, "{row:?}");
    }
    let ended = run(&mut operator, format!("SELECT pg_terminate_backend({pid}, 30000)")).await;
    assert!(ended[0].get::<bool, _>(0), "the session does not end");
    assert!(!rows_of(&mut operator, "horizon.sql").await.iter().any(|row| field(row, "holder") == pid));
    run(&mut prepared, "ROLLBACK PREPARED 'undecided'").await;
}

#[tokio::test]
async fn deadlocks_and_reads_from_memory_are_counted() {
    let installation = Installation::make().await;
    let mut operator = installation.operator().await;
    run(&mut operator, NOTEBOOKS).await;
    let [mut one, mut two] = [installation.server("one").await, installation.server("two").await];
    let edit = |id: &str| format!("UPDATE notebooks SET name = 'x' WHERE id = '{id}'");
    run(&mut one, format!("BEGIN; {}", edit("ann-1"))).await;
    run(&mut two, format!("BEGIN; {}", edit("ann-2"))).await;
    let crossed = [edit("ann-2"), edit("ann-1")].map(AssertSqlSafe);
    let [first, second] = crossed;
    let both = async { tokio::join!(sqlx::raw_sql(first).execute(&mut one), sqlx::raw_sql(second).execute(&mut two)) };
    let (first, second) = both.await;
    assert!(first.is_err() != second.is_err(), "one of the two is undone: {first:?} {second:?}");
    // A session reports its counts when it ends.
    drop((one, two));
    let counted = row_of(&mut operator, "database.sql", |row| field(row, "deadlocks") == "1").await;
    assert_eq!(field(&counted, "name"), "quire");
    assert!(field(&counted, "cached_share").parse::<f64>().unwrap() > 0.0, "{counted:?}");
    assert!(field(&counted, "rolled_back").parse::<u64>().unwrap() > 0, "{counted:?}");
}

#[test]
fn every_file_is_tested_and_explains_itself() {
    let source = include_str!("monitoring.rs");
    let files: BTreeSet<_> = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 13);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let is_run = [")", ", |row|"].iter().any(|end| source.contains(&format!("\"{name}\"{end}")));
        assert!(is_run, "{name} is in no test");
        let text = fs::read_to_string(&file).unwrap();
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with("--")).collect();
        for part in ["-- To read it:", "-- To do:"] {
            assert!(header.iter().any(|line| line.starts_with(part)), "{name} does not say {part:?}");
        }
    }
}
