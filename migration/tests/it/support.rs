//! Helpers that the tests share.

use std::time::Duration;

use quire_migration::{Kind, Limits, MigrateError, Report, STEPS, Step, describe, down, up};
use quire_test_postgres::Database;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

/// Limits that are short enough for tests which wait for one, and long enough for a busy machine.
pub(crate) const LIMITS: Limits = Limits {
    connect: Duration::from_secs(30),
    wait_for_lock: Duration::from_secs(30),
    lock_timeout: Duration::from_millis(500),
    tries: 4,
    pause: Duration::from_millis(200),
    poll: Duration::from_millis(50),
};

/// Returns an empty database brought to these steps.
pub(crate) async fn migrated(steps: &[Step]) -> Database {
    let database = Database::empty().await;
    bring_up(&database, steps).await.unwrap();
    database
}

pub(crate) async fn bring_up(database: &Database, steps: &[Step]) -> Result<Report, MigrateError> {
    up(&database.options(), steps, &LIMITS, &mut |_| ()).await
}

pub(crate) async fn take_down(database: &Database, steps: &[Step], count: usize) -> Result<Report, MigrateError> {
    down(&database.options(), steps, count, &LIMITS, &mut |_| ()).await
}

/// As [`bring_up`], with the reported progress.
pub(crate) async fn bring_up_told(
    database: &Database,
    steps: &[Step],
    limits: &Limits,
) -> (Result<Report, MigrateError>, Vec<String>) {
    let mut told = Vec::new();
    let report = up(&database.options(), steps, limits, &mut |progress| told.push(progress.to_string())).await;
    (report, told)
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: impl Into<String>) -> sqlx::Result<u64> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.map(|done| done.rows_affected())
}

/// Returns the first column of every row, as text.
pub(crate) async fn texts(connection: &mut PgConnection, sql: impl Into<String>) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.into())).fetch_all(connection).await.unwrap();
    rows.iter().map(|row: &PgRow| row.get(0)).collect()
}

/// Returns every row of every table except the record of steps, table by table, as text.
pub(crate) async fn dump(connection: &mut PgConnection) -> Vec<String> {
    let mut dump = Vec::new();
    for table in tables(connection).await {
        let rows = format!("SELECT '{table} ' || row_to_json(t)::text FROM {table} t ORDER BY 1");
        dump.extend(texts(connection, rows).await);
    }
    dump
}

/// Returns the names of all tables except the record of steps.
pub(crate) async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let schema = describe(connection).await.unwrap();
    let names = schema.lines().filter_map(|line| line.strip_prefix("table ")?.strip_suffix(": plain"));
    names.filter(|name| *name != "quire_migrations").map(str::to_owned).collect()
}

/// Returns SQL for rows of the table that a step creates, which fit the rows of the steps before it.
pub(crate) fn rows_of(step: &str) -> &'static str {
    match step {
        "m20261125_090000_users" => {
            "INSERT INTO users (id, clerk_user_id, email) VALUES ('alice', 'clerk_alice', 'alice@example.org'), ('bob', NULL, NULL)"
        }
        "m20261125_090100_notebooks" => {
            "INSERT INTO notebooks (id, user_id, name, revision, version, extra, commit_ids, commit_versions, created_at, updated_at) \
             VALUES ('blank-alice', 'alice', 'Blank', 3, nextval('notebook_versions'), '{\"b\": 1e2, \"a\": 1}', \
                     ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid], '{}', now(), now()), \
                    ('blank-bob', 'bob', NULL, 0, nextval('notebook_versions'), NULL, '{}', '{}', now(), now())"
        }
        "m20261125_090200_cells" => {
            "INSERT INTO cells (notebook_id, id, order_key, type, code, reads, writes, revision) \
             VALUES ('blank-alice', 'c1', 'a0', 'python', 'x = 1', '{}', '{x}', 1), \
                    ('blank-alice', 'c2', 'a1', 'sql', 'SELECT 1', '{}', '{}', 2), \
                    ('blank-bob', 'c1', 'a0', 'python', '', '{}', '{}', 0)"
        }
        "m20261125_090300_cell_outputs" => {
            "INSERT INTO cell_outputs (notebook_id, cell_id, ordinal, mime_type, data, metadata) \
             VALUES ('blank-alice', 'c1', 0, 'text/plain', '\"1\"', '{}'), ('blank-bob', 'c1', 0, 'text/plain', '\"2\"', '{}')"
        }
        "m20261125_090400_write_probe" => "INSERT INTO write_probe (id, written_at) VALUES (1, now())",
        "m20261125_150000_idempotency_keys" => {
            "INSERT INTO idempotency_keys (user_id, key, request, outcome, created_at) \
             SELECT id, decode(repeat('0f', 32), 'hex'), decode(repeat('f0', 32), 'hex'), '{}', now() FROM users"
        }
        "m20261130_170000_servers" => {
            "INSERT INTO servers (id, mode, address, program_version, mirror_dir) VALUES \
             ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', 'one', '127.0.0.1:8000', '0.1.0', '/var/lib/quire/mirror'), \
             ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', 'many', '127.0.0.1:8001', '0.1.0', NULL)"
        }
        "m20261130_210000_runs" => {
            "UPDATE cells SET run_digest = repeat('0f', 16), run_started_at = now(), run_finished_at = now() WHERE id = 'c1'"
        }
        "m20261130_210100_reactive" => "UPDATE notebooks SET reactive = false WHERE id = 'blank-alice'",
        "m20261130_220000_kernels" => {
            "INSERT INTO kernels (notebook_id, server_id, epoch) VALUES \
             ('blank-alice', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', 7), ('blank-bob', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', 8)"
        }
        // These steps create no table, and existing rows remain.
        "m20261130_080000_notebook_lives" | "m20261130_110000_fewer_checks" => "SELECT 1",
        other => {
            panic!("say here what rows there are after step {other}, so that its way down and up is tested with them")
        }
    }
}

/// Inserts [`rows_of`] all steps into a migrated database.
pub(crate) async fn fill(connection: &mut PgConnection) {
    for step in STEPS {
        execute(connection, rows_of(step.name)).await.unwrap();
    }
}

/// Returns a transactional step of a list that only a test has.
pub(crate) const fn step(name: &'static str, kind: Kind, up: &'static str, down: &'static str) -> Step {
    Step { name, kind, up, down, transactional: true }
}

/// The first of two steps.
pub(crate) const FIRST: Step =
    step("m1_first", Kind::Breaking, "CREATE TABLE first (id integer PRIMARY KEY);", "DROP TABLE first;");
/// The second step, after [`FIRST`].
pub(crate) const SECOND: Step =
    step("m2_second", Kind::Breaking, "CREATE TABLE second (id integer PRIMARY KEY);", "DROP TABLE second;");
