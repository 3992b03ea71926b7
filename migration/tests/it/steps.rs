//! Steps applied, taken back and applied again.

use quire_migration::{MigrateError, Migrator, STEPS, SchemaState, describe, fresh, state};
use quire_test_postgres::Database;
use sea_orm_migration::MigratorTrait as _;
use sea_orm_migration::sea_orm::SqlxPostgresConnector;

use crate::support::{FIRST, LIMITS, SECOND, bring_up, dump, execute, fill, migrated, rows_of, step, take_down, texts};

#[tokio::test]
async fn goes_up_down_and_up() {
    let database = Database::empty().await;
    let mut connection = database.connect().await;
    let empty = describe(&mut connection).await.unwrap();
    assert_eq!(state(&mut connection, STEPS).await.unwrap(), SchemaState::NotMigrated);

    let names: Vec<_> = STEPS.iter().map(|step| step.name.to_owned()).collect();
    let report = bring_up(&database, STEPS).await.unwrap();
    assert_eq!((report.steps, report.state), (names.clone(), SchemaState::Current));
    let whole = describe(&mut connection).await.unwrap();

    let report = take_down(&database, STEPS, 100).await.unwrap();
    assert_eq!(report.steps, names.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(report.state, SchemaState::NotMigrated);
    let left = describe(&mut connection).await.unwrap();
    let left: Vec<_> = left.lines().filter(|line| !line.contains("quire_migrations")).collect();
    assert_eq!(left.join("\n"), empty, "the record alone stays");
    let left = texts(
        &mut connection,
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
                                       UNION ALL SELECT typname::text FROM pg_type t WHERE typnamespace = 'public'::regnamespace \
                                       AND typname !~ 'quire_migrations'",
    );
    assert_eq!(left.await, Vec::<String>::new());

    let report = bring_up(&database, STEPS).await.unwrap();
    assert_eq!((report.steps, report.state), (names, SchemaState::Current));
    assert_eq!(describe(&mut connection).await.unwrap(), whole);
}

#[tokio::test]
async fn applies_nothing_twice() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    let record = texts(&mut connection, "SELECT quire_migrations::text FROM quire_migrations ORDER BY 1").await;
    let report = bring_up(&database, STEPS).await.unwrap();
    assert_eq!((report.steps.len(), report.state), (0, SchemaState::Current));
    assert_eq!(texts(&mut connection, "SELECT quire_migrations::text FROM quire_migrations ORDER BY 1").await, record);
}

/// Returns the rows without the columns that a step adds to an existing table, with the columns' values in existing rows.
fn without_added(step: &str, rows: Vec<String>) -> Vec<String> {
    let added = match step {
        "m20261130_080000_notebook_lives" => r#","life":"00000000-0000-0000-0000-000000000000""#,
        "m20261130_210000_runs" => r#","run_digest":null,"run_started_at":null,"run_finished_at":null"#,
        "m20261130_210100_reactive" => r#","reactive":true"#,
        _ => return rows,
    };
    rows.into_iter().map(|row| row.replace(added, "")).collect()
}

#[tokio::test]
async fn each_step_alone_keeps_the_rows_of_the_others() {
    let database = Database::empty().await;
    let mut connection = database.connect().await;
    for (index, step) in STEPS.iter().enumerate() {
        let steps = &STEPS[..=index];
        // The first step creates the record, which remains.
        let before = if index == 0 { String::new() } else { describe(&mut connection).await.unwrap() };
        let rows_before = dump(&mut connection).await;

        assert_eq!(bring_up(&database, steps).await.unwrap().steps, [step.name]);
        let rows_after = without_added(step.name, dump(&mut connection).await);
        assert_eq!(rows_after, rows_before, "{} changed rows on its way up", step.name);
        execute(&mut connection, rows_of(step.name)).await.unwrap();

        assert_eq!(take_down(&database, steps, 1).await.unwrap().steps, [step.name]);
        assert_eq!(dump(&mut connection).await, rows_before, "{} changed rows on its way down", step.name);
        if index > 0 {
            assert_eq!(describe(&mut connection).await.unwrap(), before, "{} leaves something behind", step.name);
        }

        assert_eq!(bring_up(&database, steps).await.unwrap().steps, [step.name]);
        let rows_after = without_added(step.name, dump(&mut connection).await);
        assert_eq!(rows_after, rows_before, "{} brings rows back", step.name);
        execute(&mut connection, rows_of(step.name)).await.unwrap();
    }
    assert_eq!(state(&mut connection, STEPS).await.unwrap(), SchemaState::Current);
}

#[tokio::test]
async fn a_failed_step_leaves_nothing_behind() {
    let database = Database::empty().await;
    let mut connection = database.connect().await;
    let broken = step("m3_broken", FIRST.kind, "CREATE TABLE half (id integer); SELECT 1 / 0;", "");
    let steps = [FIRST, SECOND, broken];
    let failed = bring_up(&database, &steps).await.unwrap_err();
    assert!(matches!(&failed, MigrateError::Step { name, .. } if name == "m3_broken"), "{failed}");
    assert!(!failed.is_refusal());
    assert!(!describe(&mut connection).await.unwrap().contains("half"));
    let SchemaState::Behind { pending } = state(&mut connection, &steps).await.unwrap() else {
        panic!("the steps before it stay applied");
    };
    assert_eq!(pending.iter().map(|step| step.name).collect::<Vec<_>>(), ["m3_broken"]);
}

#[tokio::test]
async fn fresh_leaves_an_empty_schema_even_after_a_step_was_edited() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    fill(&mut connection).await;
    assert_ne!(dump(&mut connection).await, Vec::<String>::new());
    execute(&mut connection, "UPDATE quire_migrations SET checksum = 'other'").await.unwrap();

    let report = fresh(&database.options(), STEPS, &LIMITS, &mut |_| ()).await.unwrap();
    assert_eq!((report.steps.len(), report.state), (STEPS.len(), SchemaState::Current));
    assert_eq!(dump(&mut connection).await, Vec::<String>::new());

    let refused = fresh(&database.options(), &STEPS[..2], &LIMITS, &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Ahead { .. }), "{refused}");
}

#[tokio::test]
async fn deleting_a_user_leaves_no_row_of_theirs() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    fill(&mut connection).await;
    execute(&mut connection, "DELETE FROM users WHERE id = 'alice'").await.unwrap();
    let left = dump(&mut connection).await;
    let theirs: Vec<_> = left.iter().filter(|row| row.contains("alice")).collect();
    assert_eq!(theirs, Vec::<&String>::new());
    assert!(left.iter().any(|row| row.contains("blank-bob")), "and those of others stay: {left:?}");

    execute(&mut connection, "DELETE FROM users").await.unwrap();
    let left = dump(&mut connection).await;
    let is_nobodys = |row: &String| row.starts_with("write_probe ") || row.starts_with("servers ");
    assert!(left.iter().all(is_nobodys), "{left:?}");
}

/// Tests that a program that applies the steps with `sea-orm-migration` leaves the same schema and the same record.
#[tokio::test]
async fn sea_orm_applies_the_same() {
    let ours = migrated(STEPS).await;
    let theirs = Database::empty().await;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(theirs.pool(2).await);
    Migrator::up(&connection, None).await.unwrap();

    let mut ours = ours.connect().await;
    let mut inspected = theirs.connect().await;
    let schema = describe(&mut inspected).await.unwrap();
    let schema: String = schema.split_inclusive('\n').filter(|line| !line.contains("seaql_migrations")).collect();
    assert_eq!(schema, describe(&mut ours).await.unwrap());
    assert_eq!(state(&mut inspected, STEPS).await.unwrap(), SchemaState::Current);

    Migrator::down(&connection, Some(1)).await.unwrap();
    let SchemaState::Behind { pending } = state(&mut inspected, STEPS).await.unwrap() else { panic!("one is gone") };
    assert_eq!(pending.iter().map(|step| step.name).collect::<Vec<_>>(), [STEPS.last().unwrap().name]);
}
