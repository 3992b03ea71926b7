//! Interrupted runs.

use quire_migration::{Kind, SchemaState, Step, describe, state};
use std::time::Duration;

use crate::support::{FIRST, LIMITS, SECOND, bring_up, bring_up_told, execute, migrated, step, take_down};

const TABLE: Step = step(
    "m1_table",
    Kind::Breaking,
    "CREATE TABLE wide (id integer PRIMARY KEY, a integer, b integer);",
    "DROP TABLE wide;",
);
const INDEXES: Step = Step {
    name: "m2_indexes",
    kind: Kind::Compatible,
    up: "DROP INDEX CONCURRENTLY IF EXISTS wide_a;\nCREATE INDEX CONCURRENTLY wide_a ON wide (a);\n\
         DROP INDEX CONCURRENTLY IF EXISTS wide_b;\nCREATE INDEX CONCURRENTLY wide_b\n    ON wide (b);\n",
    down: "DROP INDEX CONCURRENTLY IF EXISTS wide_a;\nDROP INDEX CONCURRENTLY IF EXISTS wide_b;\n",
    transactional: false,
};

#[tokio::test]
async fn a_step_that_was_begun_is_named_and_completed() {
    let database = migrated(&[FIRST]).await;
    let mut connection = database.connect().await;
    let steps = [FIRST, SECOND];
    let begun = "INSERT INTO quire_migrations (name, checksum, kind, started_at) \
                 VALUES ('m2_second', 'of another text', 'breaking', '2026-11-25 09:00:00+00')";
    execute(&mut connection, begun).await.unwrap();
    let unfinished = state(&mut connection, &steps).await.unwrap();
    assert_eq!(unfinished, SchemaState::Unfinished { name: "m2_second".into() });
    assert!(!unfinished.may_serve() && unfinished.advice().unwrap().contains("quire-migrate up"));

    let (report, told) = bring_up_told(&database, &steps, &LIMITS).await;
    assert_eq!(report.unwrap().state, SchemaState::Current);
    assert_eq!(told[0], "step m2_second was begun at 2026-11-25 09:00:00 UTC and not finished; completing it");
    assert!(told[1].starts_with("applied m2_second ("), "{told:?}");
}

#[tokio::test]
async fn a_step_that_was_begun_can_be_taken_back() {
    let database = migrated(&[FIRST]).await;
    let mut connection = database.connect().await;
    let begun =
        "INSERT INTO quire_migrations (name, checksum, kind, started_at) VALUES ('m2_second', 'x', 'breaking', now())";
    execute(&mut connection, begun).await.unwrap();
    assert_eq!(take_down(&database, &[FIRST, SECOND], 1).await.unwrap().steps, ["m2_second"]);
    assert_eq!(state(&mut connection, &[FIRST]).await.unwrap(), SchemaState::Current);
}

#[tokio::test]
async fn a_step_outside_a_transaction_goes_up_and_down() {
    let database = migrated(&[TABLE]).await;
    let mut connection = database.connect().await;
    let before = describe(&mut connection).await.unwrap();
    for _ in 0..2 {
        assert_eq!(bring_up(&database, &[TABLE, INDEXES]).await.unwrap().steps, ["m2_indexes"]);
        let schema = describe(&mut connection).await.unwrap();
        assert!(schema.contains("index wide.wide_a: ") && schema.contains("index wide.wide_b: "), "{schema}");
        assert!(!schema.contains("(invalid)"), "{schema}");
        assert_eq!(take_down(&database, &[TABLE, INDEXES], 1).await.unwrap().steps, ["m2_indexes"]);
        assert_eq!(describe(&mut connection).await.unwrap(), before);
    }
}

/// Tests that the record keeps the name of a half-done step, and that the next run repeats the whole step.
#[tokio::test]
async fn a_step_outside_a_transaction_that_was_cut_off_is_repeated() {
    let database = migrated(&[TABLE]).await;
    let steps = [TABLE, INDEXES];
    let mut holder = database.connect().await;
    execute(&mut holder, "SET application_name = 'a long report'; BEGIN; SELECT FROM wide; UPDATE wide SET a = 1")
        .await
        .unwrap();

    let limits = quire_migration::Limits { wait_for_lock: Duration::from_millis(300), ..LIMITS };
    let (refused, _) = bring_up_told(&database, &steps, &limits).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.is_refusal() && refused.to_string().contains("\"a long report\", idle in transaction"),
        "{refused}"
    );
    let mut connection = database.connect().await;
    assert_eq!(state(&mut connection, &steps).await.unwrap(), SchemaState::Unfinished { name: "m2_indexes".into() });
    assert!(describe(&mut connection).await.unwrap().contains("(invalid)"), "what it left is of no use yet");
    let changed = Step { up: "SELECT 1;\n", ..INDEXES };
    assert!(
        matches!(state(&mut connection, &[TABLE, changed]).await.unwrap(), SchemaState::Changed { .. }),
        "another text might not complete what this one began"
    );

    execute(&mut holder, "ROLLBACK").await.unwrap();
    let (report, told) = bring_up_told(&database, &steps, &LIMITS).await;
    assert_eq!(report.unwrap().state, SchemaState::Current);
    assert!(told[0].starts_with("step m2_indexes was begun at "), "{told:?}");
    assert!(!describe(&mut connection).await.unwrap().contains("(invalid)"));
}
