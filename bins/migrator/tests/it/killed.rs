//! Tests of runs that end in the middle.

use quire_migration::STEPS;

use crate::support::{WAITING, end, execute, found, migrated, run, start, texts};

/// The lock of an uncommitted update. The step that creates `cells` needs a conflicting lock on `notebooks`.
const OPEN_UPDATE: &str = "SET application_name = 'a long import'; BEGIN; LOCK TABLE notebooks IN ROW EXCLUSIVE MODE";

#[tokio::test]
async fn a_killed_run_is_named_by_the_next_which_completes_it() {
    let database = migrated(&STEPS[..2]).await;
    let mut holder = database.connect().await;
    execute(&mut holder, OPEN_UPDATE).await;
    let mut watcher = database.connect().await;

    let mut process = start(database.url(), &["up"]);
    found(&mut watcher, WAITING).await;
    // After SIGKILL the process cannot clean up.
    process.kill().unwrap();
    process.wait().unwrap();
    execute(&mut holder, "ROLLBACK").await;

    let name = STEPS[2].name;
    let status = run(database.url(), &["status"]);
    assert_eq!(status.code, Some(4), "{status:?}");
    assert!(status.out.contains(&format!("begun    {name} at ")), "{status:?}");
    assert!(
        status.out.contains(&format!("step {name} was begun and not finished; run `quire-migrate up`")),
        "{status:?}"
    );

    let next = run(database.url(), &["up"]);
    assert_eq!(next.code, Some(0), "{next:?}");
    assert!(next.out.contains(&format!("step {name} was begun at ")), "{next:?}");
    assert!(next.out.contains("and not finished; completing it"), "{next:?}");
    assert_eq!(next.out.matches("\napplied m2").count(), STEPS.len() - 2, "{next:?}");
    for command in ["status", "check"] {
        let ended = run(database.url(), &[command]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn an_open_transaction_is_named_and_the_run_refused() {
    let database = migrated(&STEPS[..2]).await;
    let mut holder = database.connect().await;
    execute(&mut holder, OPEN_UPDATE).await;
    let pid = texts(&mut holder, "SELECT pg_backend_pid()::text").await.remove(0);

    let refused = run(database.url(), &["up"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let name = STEPS[2].name;
    assert!(
        refused.err.starts_with(&format!("quire-migrate: step {name} was tried 5 times and rolled back")),
        "{refused:?}"
    );
    assert!(refused.err.contains(&format!("process {pid} of user ")), "{refused:?}");
    assert!(refused.err.contains(", application \"a long import\", idle in transaction, in a transaction since "));
    assert!(!refused.err.contains("LOCK TABLE"), "{refused:?}");
    assert_eq!(refused.out.matches(" waits for process ").count(), 4, "{refused:?}");

    // The run was rolled back, so there is nothing to complete.
    let status = run(database.url(), &["status"]);
    assert_eq!(status.code, Some(4), "{status:?}");
    assert!(status.out.contains(&format!("pending  {name} (compatible)")), "{status:?}");
}

/// The work connection is cut, as when a network fails.
#[tokio::test]
async fn a_run_that_loses_its_connection_says_so() {
    let database = migrated(&STEPS[..2]).await;
    let mut holder = database.connect().await;
    execute(&mut holder, OPEN_UPDATE).await;
    let mut watcher = database.connect().await;
    let process = start(database.url(), &["up"]);
    let pid = found(&mut watcher, WAITING).await;
    texts(&mut watcher, format!("SELECT pg_terminate_backend({pid})::text")).await;
    let ended = end(process);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains(&format!("cannot apply step {}", STEPS[2].name)), "{ended:?}");
    execute(&mut holder, "ROLLBACK").await;
    assert_eq!(run(database.url(), &["up"]).code, Some(0));
}

/// The lock's connection is cut. Another run might be migrating by then, so this run ends.
#[tokio::test]
async fn a_run_that_loses_its_lock_ends() {
    let database = migrated(&STEPS[..2]).await;
    let mut holder = database.connect().await;
    execute(&mut holder, OPEN_UPDATE).await;
    let mut watcher = database.connect().await;
    let process = start(database.url(), &["up"]);
    found(&mut watcher, WAITING).await;
    let cut = "SELECT pg_terminate_backend(pid)::text FROM pg_locks WHERE locktype = 'advisory' \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(texts(&mut watcher, cut).await, ["true"]);
    let ended = end(process);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("the lock that keeps others from migrating was lost"), "{ended:?}");
    execute(&mut holder, "ROLLBACK").await;
    let next = run(database.url(), &["up"]);
    assert_eq!(next.code, Some(0), "{next:?}");
    assert!(next.out.contains("completing it"), "{next:?}");
}
