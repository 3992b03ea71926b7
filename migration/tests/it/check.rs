//! The live schema against the one expected.

use quire_migration::{SCHEMA, STEPS, check, describe};

use crate::support::{execute, migrated};

/// To renew the file after a new step: `QUIRE_RENEW=1 cargo test -p quire-migration the_expected_schema`.
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
