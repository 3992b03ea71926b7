//! Constraints of the tables.

use std::collections::BTreeSet;

use quire_migration::{SCHEMA, STEPS};

use crate::support::{execute, fill, migrated};

/// Each constraint with a statement that only this constraint refuses. NOT NULL is checked separately below.
const VIOLATIONS: &[(&str, &str)] = &[
    ("users_pkey", "INSERT INTO users (id) VALUES ('alice')"),
    ("users_clerk_user_id_key", "UPDATE users SET clerk_user_id = 'clerk_alice' WHERE id = 'bob'"),
    ("users_id_length", "INSERT INTO users (id) VALUES ('')"),
    ("users_id_length", "INSERT INTO users (id) VALUES (repeat('é', 256))"),
    ("notebooks_pkey", "UPDATE notebooks SET id = 'blank-alice' WHERE id = 'blank-bob'"),
    ("notebooks_user_id_fkey", "UPDATE notebooks SET user_id = 'nobody'"),
    ("notebooks_id_length", "UPDATE notebooks SET id = '' WHERE id = 'blank-bob'"),
    ("notebooks_id_length", "UPDATE notebooks SET id = repeat('n', 201) WHERE id = 'blank-bob'"),
    ("notebooks_db_conn_sealed_form", "UPDATE notebooks SET db_conn_sealed = 'postgres://alice@example.org/db'"),
    ("notebooks_db_conn_sealed_form", "UPDATE notebooks SET db_conn_sealed = 'q1.' || repeat('a', 11264)"),
    ("cells_pkey", "UPDATE cells SET id = 'c1' WHERE id = 'c2'"),
    ("cells_notebook_id_fkey", "UPDATE cells SET notebook_id = 'none' WHERE id = 'c2'"),
    ("cells_id_length", "UPDATE cells SET id = '' WHERE id = 'c2'"),
    ("cells_id_length", "UPDATE cells SET id = repeat('c', 201) WHERE id = 'c2'"),
    ("cell_outputs_pkey", "INSERT INTO cell_outputs SELECT * FROM cell_outputs"),
    ("cell_outputs_cell_fkey", "UPDATE cell_outputs SET cell_id = 'none'"),
    ("cell_outputs_ordinal_range", "UPDATE cell_outputs SET ordinal = -1"),
    ("cell_outputs_mime_type_length", "UPDATE cell_outputs SET mime_type = repeat('m', 101)"),
    ("write_probe_pkey", "INSERT INTO write_probe VALUES (1, now())"),
    ("write_probe_one_row", "UPDATE write_probe SET id = 2"),
    ("idempotency_keys_pkey", "INSERT INTO idempotency_keys SELECT * FROM idempotency_keys"),
    ("idempotency_keys_user_id_fkey", "UPDATE idempotency_keys SET user_id = 'nobody' WHERE user_id = 'bob'"),
    ("idempotency_keys_key_length", "UPDATE idempotency_keys SET key = '\\x0f'"),
    ("idempotency_keys_request_length", "UPDATE idempotency_keys SET request = '\\xf0'"),
    ("idempotency_keys_outcome_length", "UPDATE idempotency_keys SET outcome = repeat('x', 4097)"),
    ("servers_pkey", "INSERT INTO servers SELECT * FROM servers"),
    ("servers_mode_known", "UPDATE servers SET mode = 'two' WHERE mode = 'one'"),
    ("kernels_pkey", "UPDATE kernels SET notebook_id = 'blank-alice' WHERE notebook_id = 'blank-bob'"),
    ("kernels_notebook_id_fkey", "UPDATE kernels SET notebook_id = 'none' WHERE notebook_id = 'blank-bob'"),
    ("kernels_server_id_fkey", "UPDATE kernels SET server_id = gen_random_uuid()"),
    ("quire_migrations_pkey", "INSERT INTO quire_migrations SELECT * FROM quire_migrations"),
    ("quire_migrations_kind_known", "UPDATE quire_migrations SET kind = 'harmless'"),
];

/// Statements just within the limits.
const ALLOWED: &[&str] = &[
    "INSERT INTO users (id) VALUES (repeat('é', 255))",
    "INSERT INTO users (id, clerk_user_id) VALUES ('no clerk', NULL)",
    "UPDATE notebooks SET name = repeat('é', 255), db_conn_sealed = 'q1.' || repeat('a', 11261)",
    "UPDATE idempotency_keys SET outcome = repeat('x', 4096)",
    "UPDATE cell_outputs SET mime_type = repeat('m', 100), data = '\"\\u0000\"'",
];

#[tokio::test]
async fn each_constraint_stops_what_violates_it() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    fill(&mut connection).await;
    for (constraint, statement) in VIOLATIONS {
        execute(&mut connection, "BEGIN").await.unwrap();
        let error = execute(&mut connection, *statement).await.expect_err(statement);
        execute(&mut connection, "ROLLBACK").await.unwrap();
        let stopped_by = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
        assert_eq!(stopped_by, Some(*constraint), "{statement}: {error}");
    }
    for statement in ALLOWED {
        execute(&mut connection, "BEGIN").await.unwrap();
        execute(&mut connection, *statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        execute(&mut connection, "ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn each_column_that_must_be_set_refuses_null() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    fill(&mut connection).await;
    let mut columns = 0;
    for line in SCHEMA.lines().filter(|line| line.starts_with("column ") && line.contains(" not null")) {
        let (table, column) = line["column ".len()..].split_once(':').unwrap().0.split_once('.').unwrap();
        let error = execute(&mut connection, format!("UPDATE {table} SET \"{column}\" = NULL")).await.expect_err(line);
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("23502"), "{line}: {error}");
        columns += 1;
    }
    assert!(columns > 30, "{columns} columns were tried");
}

#[test]
fn every_constraint_is_tried() {
    let there: BTreeSet<_> = SCHEMA
        .lines()
        .filter_map(|line| Some(line.strip_prefix("constraint ")?.split_once(':')?.0.split_once('.')?.1))
        .collect();
    let tried: BTreeSet<_> = VIOLATIONS.iter().map(|(constraint, _)| *constraint).collect();
    assert_eq!(tried, there, "each constraint has a statement that violates it");
}
