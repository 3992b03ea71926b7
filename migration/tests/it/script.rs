//! The script of all statements.

use std::io::Write as _;
use std::process::{Command, Stdio};

use quire_migration::{Kind, STEPS, SchemaState, Step, describe, sql, state};
use quire_test_postgres::Database;

use crate::support::{FIRST, execute, migrated};

#[tokio::test]
async fn running_the_script_leaves_what_a_run_leaves() {
    let by_run = migrated(STEPS).await;
    let by_hand = Database::empty().await;
    let mut connection = by_hand.connect().await;
    execute(&mut connection, sql(STEPS)).await.unwrap();
    assert_eq!(state(&mut connection, STEPS).await.unwrap(), SchemaState::Current);
    assert_eq!(describe(&mut connection).await.unwrap(), describe(&mut by_run.connect().await).await.unwrap());
}

#[test]
fn the_script_holds_each_step_as_it_runs() {
    let script = sql(STEPS);
    for step in STEPS {
        assert!(script.contains(step.up.trim_end()), "{}", step.name);
    }
}

/// A step outside a transaction needs a client that sends statements one by one, as psql does.
#[tokio::test]
async fn psql_runs_it_too() {
    let steps = [
        FIRST,
        Step {
            name: "m2_index",
            kind: Kind::Compatible,
            up: "DROP INDEX CONCURRENTLY IF EXISTS found;\nCREATE INDEX CONCURRENTLY found ON first (id);\n",
            down: "DROP INDEX CONCURRENTLY IF EXISTS found;\n",
            transactional: false,
        },
    ];
    let database = Database::empty().await;
    let mut psql = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", database.url(), "--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(sql(&steps).as_bytes()).unwrap();
    assert!(psql.wait().unwrap().success());
    assert_eq!(state(&mut database.connect().await, &steps).await.unwrap(), SchemaState::Current);
}
