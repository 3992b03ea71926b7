//! Schemas on which a server starts.

use quire_migration::{Kind, MigrateError, SchemaState, Step, StepStatus, list, state};
use quire_test_postgres::Database;
use sqlx::postgres::PgConnectOptions;

use crate::support::{FIRST, LIMITS, SECOND, bring_up, execute, migrated, step, take_down};

const COMPATIBLE: Step = step(
    "m3_wider",
    Kind::Compatible,
    "ALTER TABLE second ADD COLUMN note text;",
    "ALTER TABLE second DROP COLUMN note;",
);
const BREAKING: Step =
    step("m4_gone", Kind::Breaking, "DROP TABLE first;", "CREATE TABLE first (id integer PRIMARY KEY);");

/// Returns the state that a build with these steps sees.
async fn seen(database: &Database, steps: &[Step]) -> SchemaState {
    state(&mut database.connect().await, steps).await.unwrap()
}

#[tokio::test]
async fn a_server_works_one_compatible_step_behind_and_refuses_one_breaking_step_behind() {
    let old = [FIRST, SECOND];
    let database = migrated(&old).await;
    assert_eq!(seen(&database, &old).await, SchemaState::Current);

    bring_up(&database, &[FIRST, SECOND, COMPATIBLE]).await.unwrap();
    let ahead = seen(&database, &old).await;
    assert_eq!(ahead, SchemaState::Ahead { compatible: true, unknown: vec!["m3_wider".into()] });
    assert!(ahead.may_serve() && ahead.advice().is_none());
    // The statements of the old server still work.
    let mut connection = database.connect().await;
    execute(&mut connection, "INSERT INTO second (id) VALUES (1)").await.unwrap();
    // `up` of the old build, as in the roll-back of a deployment, has nothing to do.
    let report = bring_up(&database, &old).await.unwrap();
    assert_eq!((report.steps.len(), report.state), (0, ahead));
    let refused = take_down(&database, &old, 1).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Ahead { .. }), "it cannot take back what it does not know: {refused}");

    bring_up(&database, &[FIRST, SECOND, COMPATIBLE, BREAKING]).await.unwrap();
    let ahead = seen(&database, &old).await;
    let unknown = vec!["m3_wider".into(), "m4_gone".into()];
    assert_eq!(ahead, SchemaState::Ahead { compatible: false, unknown: unknown.clone() });
    assert!(!ahead.may_serve() && ahead.advice().is_some());
    let refused = bring_up(&database, &old).await.unwrap_err();
    assert!(matches!(&refused, MigrateError::Ahead { unknown: named } if *named == unknown), "{refused}");
}

#[tokio::test]
async fn a_server_refuses_a_schema_that_is_behind() {
    let database = Database::empty().await;
    assert_eq!(seen(&database, &[FIRST]).await, SchemaState::NotMigrated);
    bring_up(&database, &[FIRST, SECOND]).await.unwrap();
    let behind = seen(&database, &[FIRST, SECOND, COMPATIBLE]).await;
    assert!(!behind.may_serve());
    assert_eq!(behind.advice(), Some("run `quire-migrate up`"));
    let SchemaState::Behind { pending } = behind else { panic!("{behind:?}") };
    assert_eq!((pending[0].name, pending[0].kind), ("m3_wider", Kind::Compatible));
}

#[tokio::test]
async fn an_unknown_step_between_known_ones_is_not_compatible() {
    let database = migrated(&[FIRST, SECOND, COMPATIBLE]).await;
    let later = step("m9_later", Kind::Breaking, "SELECT 1;", "SELECT 1;");
    for steps in [vec![FIRST, SECOND, later], vec![FIRST, SECOND, BREAKING, later]] {
        let state = seen(&database, &steps).await;
        assert!(matches!(state, SchemaState::Ahead { compatible: false, .. }), "{state:?}");
        assert!(matches!(bring_up(&database, &steps).await, Err(MigrateError::Ahead { .. })));
    }
}

#[tokio::test]
async fn a_step_that_was_changed_is_refused() {
    let database = migrated(&[FIRST, SECOND]).await;
    for changed in [
        Step { up: "CREATE TABLE second (id bigint PRIMARY KEY);", ..SECOND },
        Step { down: "DROP TABLE IF EXISTS second;", ..SECOND },
    ] {
        let steps = [FIRST, changed, COMPATIBLE];
        let state = seen(&database, &steps).await;
        assert_eq!(state, SchemaState::Changed { name: "m2_second".into() });
        assert!(!state.may_serve());
        for refused in [bring_up(&database, &steps).await, take_down(&database, &steps, 1).await] {
            let refused = refused.unwrap_err();
            assert!(refused.is_refusal() && refused.to_string().contains("m2_second"), "{refused}");
        }
    }
    assert_eq!(seen(&database, &[FIRST, SECOND]).await, SchemaState::Current, "nothing was done");
}

#[tokio::test]
async fn the_list_says_of_each_step_how_far_it_is() {
    let database = migrated(&[FIRST, SECOND, COMPATIBLE]).await;
    let mut connection = database.connect().await;
    execute(&mut connection, "UPDATE quire_migrations SET finished_at = NULL WHERE name = 'm2_second'").await.unwrap();
    let (listed, state) = list(&mut connection, &[FIRST, SECOND, BREAKING]).await.unwrap();
    let standings: Vec<_> = listed.iter().map(|step| (step.name.as_str(), &step.status)).collect();
    assert!(
        matches!(
            standings[..],
            [
                ("m1_first", StepStatus::Applied(_)),
                ("m2_second", StepStatus::Begun(_)),
                ("m3_wider", StepStatus::Unknown(_)),
                ("m4_gone", StepStatus::Pending(Kind::Breaking)),
            ]
        ),
        "{standings:?}"
    );
    assert!(matches!(state, SchemaState::Ahead { compatible: false, .. }), "{state:?}");
}

/// A server may run them on any of its threads.
#[test]
fn runs_are_send() {
    fn send<T: Send>(_: &T) {}
    let options = PgConnectOptions::new_without_pgpass();
    let mut tell = |_| ();
    send(&quire_migration::up(&options, &[], &LIMITS, &mut tell));
}
