//! Tests of concurrent migrators.

use std::io::{BufRead as _, BufReader, Read as _};

use quire_migration::STEPS;
use quire_test_postgres::{Database, PgBouncer, Server};

use crate::support::{Ended, end, execute, run, start, texts};

const RUNS: usize = 8;

/// Tests that one run applies everything, seven wait and apply nothing, and all succeed.
async fn all_at_once(database: &Database, url: &str) {
    let runs: Vec<_> = (0..RUNS).map(|_| start(url, &["up"])).collect();
    let ended: Vec<Ended> = runs.into_iter().map(end).collect();
    for run in &ended {
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{ended:#?}");
    }
    let applied: Vec<_> = ended.iter().map(|run| run.out.matches("applied m2").count()).collect();
    assert_eq!(applied.iter().filter(|count| **count == STEPS.len()).count(), 1, "{ended:#?}");
    assert_eq!(applied.iter().filter(|count| **count == 0).count(), RUNS - 1, "{ended:#?}");
    let idle = ended.iter().filter(|run| run.out.ends_with("the schema is current; nothing to do\n")).count();
    assert_eq!(idle, RUNS - 1, "{ended:#?}");

    let recorded = texts(&mut database.connect().await, "SELECT name FROM quire_migrations ORDER BY name").await;
    assert_eq!(recorded, STEPS.iter().map(|step| step.name).collect::<Vec<_>>());
    assert_eq!(run(url, &["check"]).code, Some(0));
}

#[tokio::test]
async fn eight_at_once_apply_each_step_once() {
    let database = Database::empty().await;
    all_at_once(&database, database.url()).await;
}

#[tokio::test]
async fn eight_at_once_through_a_pooler_apply_each_step_once() {
    let database = Database::empty().await;
    let pooler = PgBouncer::start(Server::shared());
    all_at_once(&database, &database.url_at(pooler.port())).await;
}

/// Proves that the tests above are effective: a run can find the lock taken.
#[tokio::test]
async fn a_run_waits_for_one_under_way_and_says_for_whom() {
    let database = Database::empty().await;
    let mut holder = database.connect().await;
    let script = quire_migration::sql(STEPS);
    let lock = script.lines().find(|line| line.contains("pg_advisory_xact_lock")).unwrap();
    execute(&mut holder, format!("BEGIN; {lock}")).await;

    let mut process = start(database.url(), &["up"]);
    // The lock is released only after the run has printed whom it waits for.
    let mut out = BufReader::new(process.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.starts_with("waiting for another run to end: process "), "{first}");
    execute(&mut holder, "COMMIT").await;
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let ended = Ended { out: rest, ..end(process) };
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.ends_with("the schema is current\n"), "{ended:?}");
}
