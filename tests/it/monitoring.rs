//! The queries of `infra/monitoring`, each on a migrated database with notebooks in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use quire_test_postgres::{Database, Server, Settings};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _};

/// Three users; the last has the notebook with most in it.
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
    DELETE FROM cells WHERE notebook_id = 'ben-1';
    ANALYZE;
    CREATE EXTENSION pg_stat_statements";

async fn run(connection: &mut PgConnection, sql: impl Into<String>) -> Vec<PgRow> {
    let sql = sql.into();
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_all(connection).await;
    rows.unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/monitoring"))
}

/// A file's rows, as texts by column, whatever their types.
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

/// A server of its own: `pg_stat_statements` has to be there from the start, and slots belong to the whole server.
#[tokio::test]
async fn every_query_runs_and_shows_what_it_is_for() {
    let conf = ["shared_preload_libraries = 'pg_stat_statements'", "wal_level = logical", "autovacuum = off"];
    let server = Server::start(&Settings { conf: conf.map(str::to_owned).to_vec(), ..Settings::default() });
    let database = Database::on(&server).await;
    let mut operator = database.connect().await;
    run(&mut operator, NOTEBOOKS).await;

    // A session that forgot its transaction, and one that waits for it.
    let mut forgetful = database.connect().await;
    run(
        &mut forgetful,
        "SET application_name = 'forgetful'; BEGIN; UPDATE notebooks SET name = 'a' WHERE id = 'ann-1'",
    )
    .await;
    let mut waiting = database.connect().await;
    run(&mut waiting, "SET application_name = 'waiting'").await;
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

    run(&mut operator, "VACUUM (ANALYZE) notebooks").await;
    let vacuum = rows_of(&mut operator, "vacuum.sql").await;
    assert_ne!(field(find(&vacuum, "table_name", "notebooks"), "last_vacuum"), "null");
    assert_ne!(field(find(&vacuum, "table_name", "cells"), "heap_factor"), "null");

    run(&mut operator, "SELECT pg_create_physical_replication_slot('forgotten', true)").await;
    let replication = rows_of(&mut operator, "replication.sql").await;
    let slot = find(&replication, "name", "forgotten");
    assert_eq!((field(slot, "kind"), field(slot, "state")), ("slot", "inactive"));
    assert_eq!(field(find(&replication, "kind", "this database"), "state"), "primary");

    let steps = rows_of(&mut operator, "migration.sql").await;
    assert!(steps.len() >= 5 && steps.iter().all(|step| field(step, "state") == "applied"), "{steps:?}");
    assert_eq!(field(&steps[0], "migrator_pid"), "null");
    let mut migrator = database.connect().await;
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

#[test]
fn every_file_is_tested_and_explains_itself() {
    let source = include_str!("monitoring.rs");
    let files: BTreeSet<_> = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 10);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(source.contains(&format!("\"{name}\")")), "{name} is in no test");
        let text = fs::read_to_string(&file).unwrap();
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with("--")).collect();
        for part in ["-- To read it:", "-- To do:"] {
            assert!(header.iter().any(|line| line.starts_with(part)), "{name} does not say {part:?}");
        }
    }
}
