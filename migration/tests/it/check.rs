//! Comparison of the live schema with the expected one.

use quire_migration::{Kind, SCHEMA, STEPS, SchemaState, check, describe, state};
use quire_test_postgres::Database;

use crate::support::{bring_up, execute, migrated, step};

/// After a new step, update the file with `QUIRE_RENEW=1 cargo test -p quire-migration the_expected_schema`.
#[tokio::test]
async fn the_expected_schema_is_what_the_steps_lead_to() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    let live = describe(&mut connection).await.unwrap();
    if std::env::var_os("QUIRE_RENEW").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema.txt"), &live).unwrap();
        return;
    }
    assert_eq!(
        live, SCHEMA,
        "migration/src/schema.txt is out of date; renew it: QUIRE_RENEW=1 cargo test -p quire-migration the_expected_schema"
    );
    let findings = check(&mut connection, SCHEMA).await.unwrap();
    assert_eq!((findings.differences, findings.others), (vec![], vec![]));
}

#[tokio::test]
async fn names_each_difference() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    for (change, expected) in [
        (
            "DROP INDEX notebooks_listing; CREATE INDEX notebooks_listing ON notebooks (user_id, created_at DESC, id)",
            "index notebooks.notebooks_listing: \
             expected `CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, created_at, id)`, \
             found `CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, created_at DESC, id)`",
        ),
        (
            "DROP INDEX notebooks_listing",
            "index notebooks.notebooks_listing: missing, \
             expected `CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, created_at, id)`",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'notebooks_listing'::regclass",
            "index notebooks.notebooks_listing: \
             expected `CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, created_at, id)`, \
             found `CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, created_at, id) (invalid)`",
        ),
        (
            "CREATE INDEX by_code ON cells (code)",
            "index cells.by_code: not expected, found `CREATE INDEX by_code ON cells USING btree (code)`",
        ),
        (
            "ALTER TABLE cell_outputs ALTER COLUMN data TYPE jsonb",
            "column cell_outputs.data: expected `json not null`, found `jsonb not null`",
        ),
        ("ALTER TABLE cells DROP COLUMN code_digest", "column cells.code_digest: missing, expected `text`"),
        ("ALTER TABLE cells ADD COLUMN colour text", "column cells.colour: not expected, found `text`"),
        (
            "ALTER TABLE cells ALTER COLUMN reads DROP NOT NULL",
            "column cells.reads: expected `text[] not null`, found `text[]`",
        ),
        (
            "ALTER TABLE users ALTER COLUMN email SET NOT NULL",
            "column users.email: expected `text`, found `text not null`",
        ),
        (
            "ALTER TABLE cells ALTER COLUMN status DROP DEFAULT",
            "column cells.status: expected `text not null default 'idle'::text`, found `text not null`",
        ),
        (
            "ALTER TABLE cells ALTER COLUMN order_key TYPE text COLLATE \"default\"",
            "column cells.order_key: expected `text collate \"C\" not null`, found `text not null`",
        ),
        (
            "ALTER TABLE cells DROP CONSTRAINT cells_notebook_id_fkey",
            "constraint cells.cells_notebook_id_fkey: missing, \
             expected `FOREIGN KEY (notebook_id) REFERENCES notebooks(id) ON DELETE CASCADE`",
        ),
        (
            "ALTER TABLE cells DROP CONSTRAINT cells_notebook_id_fkey, \
             ADD CONSTRAINT cells_notebook_id_fkey FOREIGN KEY (notebook_id) REFERENCES notebooks (id)",
            "constraint cells.cells_notebook_id_fkey: \
             expected `FOREIGN KEY (notebook_id) REFERENCES notebooks(id) ON DELETE CASCADE`, \
             found `FOREIGN KEY (notebook_id) REFERENCES notebooks(id)`",
        ),
        (
            "ALTER TABLE write_probe DROP CONSTRAINT write_probe_pkey",
            "constraint write_probe.write_probe_pkey: missing, expected `PRIMARY KEY (id)`",
        ),
        ("DROP TABLE cell_outputs", "table cell_outputs: missing, expected `plain`"),
        ("DROP SEQUENCE notebook_versions", "sequence notebook_versions: missing, expected `bigint from 1 by 1`"),
        (
            "ALTER SEQUENCE notebook_versions AS integer",
            "sequence notebook_versions: expected `bigint from 1 by 1`, found `integer from 1 by 1`",
        ),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger users.t: not expected, found \
             `CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`",
        ),
    ] {
        execute(&mut connection, "BEGIN").await.unwrap();
        execute(&mut connection, change).await.unwrap();
        let findings = check(&mut connection, SCHEMA).await.unwrap();
        execute(&mut connection, "ROLLBACK").await.unwrap();
        assert_eq!(findings.differences, [expected], "after {change}");
    }
    assert_eq!(describe(&mut connection).await.unwrap(), SCHEMA);
}

#[tokio::test]
async fn the_tables_of_others_are_no_difference() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    execute(
        &mut connection,
        "CREATE TABLE reports (id serial PRIMARY KEY, text text NOT NULL); CREATE VIEW v AS SELECT 1; \
         CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.cells (id integer); CREATE EXTENSION pg_trgm",
    )
    .await
    .unwrap();
    let findings = check(&mut connection, SCHEMA).await.unwrap();
    assert_eq!(findings.differences, Vec::<String>::new());
    assert_eq!(findings.others, ["sequence reports_id_seq", "table reports"]);
}

/// Values of every kind whose text depends on a setting, and SQL whose meaning does.
const VALUES: &str = r"
    CREATE TABLE first (
        id integer PRIMARY KEY,
        code text DEFAULT 'a\d' CHECK (code ~ '^\d+\.' OR code = NULL),
        bytes bytea DEFAULT '\x00ff',
        number double precision DEFAULT 0.1,
        texts text[] DEFAULT '{NULL,a}',
        day date DEFAULT '2026-01-02',
        moment timestamptz DEFAULT '2026-01-02 03:04:05+00',
        span interval DEFAULT '1 day 02:03:04'
    );";

#[tokio::test]
async fn settings_of_the_role_change_nothing() {
    let steps = [step("m1_first", Kind::Breaking, VALUES, "DROP TABLE first;")];
    let plain = migrated(&steps).await;
    let plain = describe(&mut plain.connect().await).await.unwrap();
    for setting in [
        "quote_all_identifiers = on",
        "standard_conforming_strings = off",
        "transform_null_equals = on",
        "array_nulls = off",
        "bytea_output = 'escape'",
        "extra_float_digits = -15",
        "DateStyle = 'German, DMY'",
        "IntervalStyle = 'iso_8601'",
        "TimeZone = 'Asia/Kathmandu'",
        "search_path = public, pg_catalog",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "default_transaction_deferrable = on",
        "lock_timeout = '1ms'",
        "lc_messages = 'C'",
    ] {
        let database = Database::empty().await;
        let set = format!("ALTER DATABASE {} SET {setting}", database.name());
        execute(&mut database.connect().await, set).await.unwrap();
        bring_up(&database, &steps).await.unwrap();
        let mut connection = database.connect().await;
        assert_eq!(describe(&mut connection).await.unwrap(), plain, "{setting}");
        let findings = check(&mut connection, &plain).await.unwrap();
        assert_eq!((findings.differences, findings.others), (vec![], vec![]), "{setting}");
    }
}

#[tokio::test]
async fn a_schema_beside_the_search_path_is_named() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    execute(&mut connection, "ALTER SCHEMA public RENAME TO app; CREATE SCHEMA public").await.unwrap();
    let elsewhere = state(&mut connection, STEPS).await.unwrap();
    assert_eq!(elsewhere, SchemaState::Elsewhere { schemas: vec!["app".to_owned()] });
    assert_eq!(elsewhere.to_string(), "Quire's tables are in schema \"app\", which is not on the search_path");
    assert!(!elsewhere.may_serve() && elsewhere.advice().unwrap().contains("ALTER ROLE"));
    execute(&mut connection, "SET search_path = app").await.unwrap();
    assert_eq!(state(&mut connection, STEPS).await.unwrap(), SchemaState::Current);
    assert_eq!(check(&mut connection, SCHEMA).await.unwrap().differences, Vec::<String>::new());
    execute(&mut connection, "RESET search_path").await.unwrap();
    bring_up(&database, STEPS).await.unwrap();
    assert_eq!(state(&mut connection, STEPS).await.unwrap(), SchemaState::Current, "one for another role");
}
