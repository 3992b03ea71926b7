//! Runs concurrent with other runs and with traffic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quire_migration::{Kind, Limits, MigrateError, STEPS, SchemaState, Step, state, up};
use quire_test_postgres::{Database, PgBouncer, Server};
use sqlx::Connection as _;
use sqlx::postgres::PgConnectOptions;

use crate::support::{FIRST, LIMITS, SECOND, bring_up_told, execute, migrated, step, texts};

const WIDER: Step =
    step("m2_wider", Kind::Compatible, "ALTER TABLE first ADD COLUMN a integer;", "ALTER TABLE first DROP COLUMN a;");

/// The step requests a lock that conflicts with an open transaction's. Later sessions queue behind the step, so it must
/// release its request soon and finally report the blocking session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_stops_the_run_and_no_traffic() {
    let database = migrated(&[FIRST]).await;
    let mut holder = database.connect().await;
    execute(&mut holder, "SET application_name = 'a long report'; BEGIN; SELECT id AS secret FROM first")
        .await
        .unwrap();
    let pid = texts(&mut holder, "SELECT pg_backend_pid()::text").await.remove(0);

    let over = AtomicBool::new(false);
    let mut reader = database.connect().await;
    let traffic = async {
        let mut slowest = Duration::ZERO;
        while !over.load(Ordering::Relaxed) {
            let since = Instant::now();
            execute(&mut reader, "SELECT FROM first").await.unwrap();
            slowest = slowest.max(since.elapsed());
        }
        slowest
    };
    let run = async {
        let since = Instant::now();
        let (refused, told) = bring_up_told(&database, &[FIRST, WIDER], &LIMITS).await;
        over.store(true, Ordering::Relaxed);
        (refused.unwrap_err(), told, since.elapsed())
    };
    let (slowest, (refused, told, took)) = tokio::join!(traffic, run);

    let MigrateError::Blocked { name, tries, blockers } = &refused else { panic!("{refused}") };
    assert_eq!((name.as_str(), *tries), ("m2_wider", LIMITS.tries));
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert!(refused.is_refusal());
    let message = refused.to_string();
    for part in [&format!("process {pid} of user "), "application \"a long report\"", "idle in transaction", "since 20"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("secret"), "a statement may hold anybody's data: {message}");
    assert_eq!(told.len(), 3, "{told:?}");

    assert!(took >= LIMITS.lock_timeout * LIMITS.tries, "it did try: {took:?}");
    assert!(slowest >= LIMITS.lock_timeout / 2, "the reader never queued up, so this shows nothing: {slowest:?}");
    // The limit leaves room for a busy machine; waiting for all attempts would have taken more than two seconds.
    assert!(slowest < LIMITS.lock_timeout + Duration::from_secs(1), "the reader waited too long: {slowest:?}");

    execute(&mut holder, "ROLLBACK").await.unwrap();
    let (done, _) = bring_up_told(&database, &[FIRST, WIDER], &LIMITS).await;
    assert_eq!(done.unwrap().state, SchemaState::Current);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_ends_soon_only_delays_the_step() {
    let database = migrated(&[FIRST]).await;
    let mut holder = database.connect().await;
    execute(&mut holder, "BEGIN; SELECT FROM first").await.unwrap();
    let options = database.options();
    let (blocked, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let run = async {
        quire_migration::up(&options, &[FIRST, WIDER], &LIMITS, &mut |progress| {
            blocked.send(progress.to_string()).unwrap();
        })
        .await
    };
    let release = async {
        let first = seen.recv().await.unwrap();
        assert!(first.starts_with("step m2_wider waits for process ") && first.ends_with(" (try 1)"), "{first}");
        execute(&mut holder, "COMMIT").await.unwrap();
    };
    let (report, ()) = tokio::join!(run, release);
    assert_eq!(report.unwrap().state, SchemaState::Current);
}

#[tokio::test]
async fn a_run_does_not_wait_for_another_for_ever() {
    let database = Database::empty().await;
    let mut holder = database.connect().await;
    // The lock statement with which `up --sql` and every run begin.
    let script = quire_migration::sql(STEPS);
    let lock = script.lines().find(|line| line.contains("pg_advisory_xact_lock")).unwrap();
    execute(&mut holder, format!("SET application_name = 'the other run'; BEGIN; {lock}")).await.unwrap();

    let limits = Limits { wait_for_lock: Duration::from_millis(200), ..LIMITS };
    let (refused, told) = bring_up_told(&database, STEPS, &limits).await;
    let refused = refused.unwrap_err();
    assert!(refused.is_refusal() && matches!(refused, MigrateError::Busy { .. }), "{refused}");
    assert!(refused.to_string().contains("application \"the other run\""), "{refused}");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("waiting for another run to end: process "), "{told:?}");
    assert_eq!(state(&mut database.connect().await, STEPS).await.unwrap(), SchemaState::NotMigrated);

    holder.close().await.unwrap();
    let (done, _) = bring_up_told(&database, STEPS, &LIMITS).await;
    assert_eq!(done.unwrap().state, SchemaState::Current);
}

/// Tests that time-outs which an administrator set for all sessions do not end a run.
#[tokio::test]
async fn time_outs_of_the_role_do_not_end_a_run() {
    let database = migrated(&[FIRST]).await;
    let mut connection = database.connect().await;
    let name = database.name();
    for setting in [
        "statement_timeout = '200ms'",
        "idle_in_transaction_session_timeout = '200ms'",
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
    ] {
        execute(&mut connection, format!("ALTER DATABASE {name} SET {setting}")).await.unwrap();
    }
    let slow = step("m2_slow", Kind::Compatible, "SELECT pg_sleep(1);", "SELECT 1;");
    let (done, _) = bring_up_told(&database, &[FIRST, slow], &Limits { poll: Duration::from_secs(1), ..LIMITS }).await;
    assert_eq!(done.unwrap().state, SchemaState::Current);
}

#[tokio::test]
async fn everything_works_through_a_pooler_in_transaction_mode() {
    let database = Database::empty().await;
    let pooler = PgBouncer::start(Server::shared());
    let options = database.options_at(pooler.port());
    let index = Step {
        name: "m3_index",
        kind: Kind::Compatible,
        up: "DROP INDEX CONCURRENTLY IF EXISTS found;\nCREATE INDEX CONCURRENTLY found ON second (id);\n",
        down: "DROP INDEX CONCURRENTLY IF EXISTS found;\n",
        transactional: false,
    };
    let steps = [FIRST, SECOND, index];
    for _ in 0..2 {
        let report = quire_migration::up(&options, &steps, &LIMITS, &mut |_| ()).await.unwrap();
        assert_eq!((report.steps.len(), report.state), (3, SchemaState::Current));
        let report = quire_migration::down(&options, &steps, 3, &LIMITS, &mut |_| ()).await.unwrap();
        assert_eq!(report.steps.len(), 3);
    }
    let mut connection = quire_migration::connect(&options, LIMITS.connect).await.unwrap();
    assert_eq!(state(&mut connection, &steps).await.unwrap(), SchemaState::NotMigrated);
    // No lock of the runs remains on the pooler's connections.
    let held = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' \
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(texts(&mut database.connect().await, held).await, ["0"]);
}

/// Tests that the error names the two connections that a run needs if there is only one.
#[tokio::test]
async fn a_limit_of_one_connection_is_named() {
    let short = Limits { connect: Duration::from_secs(2), ..LIMITS };
    let told = async |options: &PgConnectOptions, code: &str| {
        let error = up(options, STEPS, &short, &mut |_| ()).await.unwrap_err();
        assert!(error.to_string().contains("a run needs two at a time"), "{error}");
        let MigrateError::SecondConnection { source, .. } = &error else { panic!("{error:?}") };
        let found = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(found.as_deref().unwrap_or_default(), code, "{source}");
        assert!(!source.to_string().contains(" at line "), "no line of PostgreSQL's own source: {source}");
    };
    let database = Database::empty().await;
    let role = format!("{}_owner", database.name());
    let options = database.options().username(&role).password("word");
    let mut superuser = database.connect().await;
    let name = database.name();
    let make =
        format!("CREATE ROLE {role} LOGIN PASSWORD 'word' CONNECTION LIMIT 1; GRANT CREATE ON SCHEMA public TO {role}");
    execute(&mut superuser, make).await.unwrap();
    told(&options, "53300").await;
    let gone = format!(
        "ALTER ROLE {role} CONNECTION LIMIT -1; SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = '{role}'"
    );
    execute(&mut superuser, gone).await.unwrap();
    // The connections of a superuser count as well.
    execute(&mut superuser, format!("ALTER DATABASE {name} CONNECTION LIMIT 2")).await.unwrap();
    told(&options, "53300").await;
    execute(&mut superuser, format!("ALTER DATABASE {name} CONNECTION LIMIT -1")).await.unwrap();
    let pooler = PgBouncer::start_with(Server::shared(), &[("default_pool_size", "1")]);
    told(&database.options_at(pooler.port()), "").await;
    let recorded = texts(&mut superuser, "SELECT relname::text FROM pg_class WHERE relname = 'quire_migrations'").await;
    assert_eq!(recorded, Vec::<String>::new());
    up(&options, STEPS, &LIMITS, &mut |_| ()).await.unwrap();
    execute(&mut superuser, format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}
