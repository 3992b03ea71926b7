//! Servers that know each other: registrations, renewals, claims and dead rows, directly and through a pooler.

use std::sync::Arc;
use std::time::Duration;

use quire_storage_postgres::{InstanceMode, Options, PostgresNotebookStore, Registration, ServerRegistration};
use quire_test_postgres::{Database, PgBouncer, Server};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use InstanceMode::{Many, One};

use crate::support::{open, open_with};

/// A server with a store of its own.
struct Process {
    store: Arc<PostgresNotebookStore>,
    registration: ServerRegistration,
}

impl Process {
    fn new(database: &Database, mode: InstanceMode, address: &str) -> Self {
        Self::on(open(database), mode, address)
    }

    fn on(store: Arc<PostgresNotebookStore>, mode: InstanceMode, address: &str) -> Self {
        Self { store, registration: ServerRegistration::new(mode, address.to_owned(), "0.1.0".to_owned()) }
    }

    async fn attempt(&mut self) -> Registration {
        self.registration.attempt(&self.store).await.unwrap()
    }

    async fn renew(&mut self) -> Registration {
        self.registration.renew(&self.store).await.unwrap()
    }

    async fn remove(&self) {
        self.registration.remove(&self.store).await.unwrap();
    }

    /// Attempts once a second, of this process's clock only, until the outcome is known; returns it and the seconds.
    async fn decided(&mut self) -> (Registration, u32) {
        for seconds in 0..60 {
            match self.attempt().await {
                Registration::Undecided(_) => pass(Duration::from_secs(1)).await,
                decided => return (decided, seconds),
            }
        }
        panic!("undecided after a minute");
    }
}

/// Lets time pass for the monotonic clock at once, and for no other clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

async fn execute(database: &Database, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database.connect().await).await.unwrap();
}

/// The addresses of the registered servers.
async fn addresses(database: &Database) -> Vec<String> {
    let sql = "SELECT address FROM servers ORDER BY address";
    let rows = sqlx::query(sql).fetch_all(&mut database.connect().await).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn named(outcome: &Registration) -> Vec<(InstanceMode, &str)> {
    match outcome {
        Registration::Registered | Registration::Unrecorded => Vec::new(),
        Registration::Undecided(others) => others.iter().map(|other| (other.mode, &*other.address)).collect(),
        Registration::Refused(other) => vec![(other.mode, &*other.address)],
    }
}

#[tokio::test]
async fn a_claim_excludes_every_second_server_and_others_share() {
    for (first, second, shared) in [(Many, Many, true), (Many, One, false), (One, Many, false), (One, One, false)] {
        let database = Database::fresh().await;
        let mut holder = Process::new(&database, first, "10.0.0.1:8000");
        let mut newcomer = Process::new(&database, second, "10.0.0.2:8000");
        assert_eq!(holder.attempt().await, Registration::Registered);
        assert_eq!(holder.attempt().await, Registration::Registered, "as after a lost response");
        let outcome = newcomer.attempt().await;
        if shared {
            assert_eq!(outcome, Registration::Registered);
            assert_eq!(addresses(&database).await, ["10.0.0.1:8000", "10.0.0.2:8000"]);
            continue;
        }
        // Nothing is known of the row yet. Its renewal tells that the holder lives.
        assert!(matches!(outcome, Registration::Undecided(_)), "{outcome:?}");
        assert_eq!(named(&outcome), [(first, "10.0.0.1:8000")]);
        assert_eq!(holder.renew().await, Registration::Registered);
        let outcome = newcomer.attempt().await;
        assert!(matches!(outcome, Registration::Refused(_)), "{outcome:?}");
        assert_eq!(named(&outcome), [(first, "10.0.0.1:8000")]);
        assert_eq!(addresses(&database).await, ["10.0.0.1:8000"]);
        // An orderly end makes room at once.
        holder.remove().await;
        assert_eq!(newcomer.attempt().await, Registration::Registered);
        newcomer.remove().await;
        newcomer.remove().await;
        assert!(addresses(&database).await.is_empty());
    }
}

/// A row is renewed by the database's clock, whatever it says; the newcomer's own clock decides.
#[tokio::test]
async fn a_dead_server_is_replaced_after_half_a_minute_by_one_server() {
    let database = Database::fresh().await;
    let mut dead = Process::new(&database, One, "dead");
    assert_eq!(dead.attempt().await, Registration::Registered);
    // The database's clock was far ahead when the row was renewed.
    execute(&database, "UPDATE servers SET seen_at = now() + interval '1 year'").await;
    let mut one = Process::new(&database, One, "one");
    let mut many = Process::new(&database, Many, "many");
    // The second newcomer observes the row too, and looks last before the first takes over.
    for _ in 0..10 {
        assert_eq!(named(&one.attempt().await), [(One, "dead")]);
        assert_eq!(named(&many.attempt().await), [(One, "dead")]);
        // The attempts take time too.
        pass(Duration::from_secs(2)).await;
    }
    pass(Duration::from_secs(6)).await;
    assert_eq!(named(&one.attempt().await), [(One, "dead")]);
    assert_eq!(named(&many.attempt().await), [(One, "dead")]);
    pass(Duration::from_secs(8)).await;
    assert!(matches!(one.attempt().await, Registration::Undecided(_)), "the look that makes it dead");
    assert!(matches!(many.attempt().await, Registration::Undecided(_)));
    assert_eq!(one.attempt().await, Registration::Registered);
    assert_eq!(addresses(&database).await, ["one"]);
    assert_eq!(named(&many.attempt().await), [(One, "one")]);
    // The dead server was only stopped. It has lost its claim and learns of it.
    let outcome = dead.renew().await;
    assert_eq!(named(&outcome), [(One, "one")]);
    assert_eq!(addresses(&database).await, ["one"]);
    one.remove().await;
    assert_eq!(dead.renew().await, Registration::Registered, "it registers anew as soon as nothing is in the way");
}

#[tokio::test]
async fn a_renewal_at_the_last_moment_keeps_the_claim() {
    let database = Database::fresh().await;
    let mut holder = Process::new(&database, Many, "holder");
    let mut newcomer = Process::new(&database, One, "newcomer");
    assert_eq!(holder.attempt().await, Registration::Registered);
    for _ in 0..12 {
        assert!(matches!(newcomer.attempt().await, Registration::Undecided(_)));
        pass(Duration::from_secs(2)).await;
    }
    assert_eq!(holder.renew().await, Registration::Registered);
    assert!(matches!(newcomer.attempt().await, Registration::Refused(_)));
    // It dies now: the observation begins with its last renewal.
    let (outcome, seconds) = newcomer.decided().await;
    assert_eq!(outcome, Registration::Registered);
    assert!((20..=32).contains(&seconds), "{seconds}");
    assert_eq!(addresses(&database).await, ["newcomer"]);
}

/// The time that the database is away does not count, because nobody can renew in it.
#[tokio::test]
async fn an_outage_kills_nobody() {
    let database = Database::fresh().await;
    let mut holder = Process::new(&database, One, "holder");
    let mut newcomer = Process::new(&database, One, "newcomer");
    assert_eq!(holder.attempt().await, Registration::Registered);
    assert!(matches!(newcomer.attempt().await, Registration::Undecided(_)));
    pass(Duration::from_mins(5)).await;
    for _ in 0..2 {
        assert!(matches!(newcomer.attempt().await, Registration::Undecided(_)));
    }
    assert_eq!(holder.renew().await, Registration::Registered);
    assert!(matches!(newcomer.attempt().await, Registration::Refused(_)));
}

#[tokio::test]
async fn without_writes_a_server_that_claims_nothing_goes_on_unless_another_claims() {
    let database = Database::fresh().await;
    let set = async |value: &str| {
        let sql = format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", database.name());
        // From another database, which takes writes all the time.
        let mut connection = Server::shared().options().connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    };
    set("on").await;
    let mut many = Process::new(&database, Many, "many");
    assert_eq!(many.attempt().await, Registration::Unrecorded);
    let mut one = Process::new(&database, One, "one");
    let refused = one.registration.attempt(&one.store).await.unwrap_err();
    assert!(matches!(refused, quire_storage::StoreError::Unavailable { .. }), "{refused:?}");
    set("off").await;
    many.store.close().await;
    many.store = open(&database);
    assert_eq!(many.renew().await, Registration::Registered);
    many.remove().await;
    one.store = open(&database);
    assert_eq!(one.attempt().await, Registration::Registered);
    set("on").await;
    many.store = open(&database);
    assert_eq!(named(&many.attempt().await), [(One, "one")]);
}

#[tokio::test]
async fn rows_unseen_for_a_day_go_with_the_next_start() {
    let database = Database::fresh().await;
    for (address, age) in [("old", "25 hours"), ("young", "23 hours")] {
        let mut process = Process::new(&database, Many, address);
        assert_eq!(process.attempt().await, Registration::Registered);
        let sql = format!("UPDATE servers SET seen_at = now() - interval '{age}' WHERE address = '{address}'");
        execute(&database, &sql).await;
    }
    assert_eq!(Process::new(&database, Many, "new").attempt().await, Registration::Registered);
    assert_eq!(addresses(&database).await, ["new", "young"]);
}

/// Registrations wait for each other, whatever the mode and the isolation that the role asks for.
#[tokio::test]
async fn of_simultaneous_claims_one_wins() {
    let pooler = PgBouncer::start_with(Server::shared(), &[("default_pool_size", "3"), ("server_round_robin", "1")]);
    for isolation in ["read committed", "serializable"] {
        for modes in [[One, One, One, One], [One, Many, One, Many]] {
            let database = Database::fresh().await;
            let sql = format!("ALTER DATABASE {} SET default_transaction_isolation = '{isolation}'", database.name());
            execute(&database, &sql).await;
            let through = format!("{}?pgbouncer=true", database.url_at(pooler.port()));
            let attempts = modes.iter().enumerate().map(|(number, mode)| {
                let url = if number < 2 { database.url() } else { &through };
                let store = open_with(url, Options::default());
                let mut process = Process::on(store, *mode, "it's a \\ test");
                async move { (*mode, process.attempt().await) }
            });
            let outcomes = futures_util::future::join_all(attempts).await;
            let registered: Vec<_> = outcomes
                .iter()
                .filter(|(_, outcome)| *outcome == Registration::Registered)
                .map(|(mode, _)| *mode)
                .collect();
            assert!(registered == [One] || registered == [Many; 2] && modes.contains(&Many), "{outcomes:?}");
            assert_eq!(addresses(&database).await, vec!["it's a \\ test"; registered.len()]);
        }
    }
}

/// Through a pooler, a claim outlives the transaction in which it was made, and a dead server is replaced.
#[tokio::test]
async fn a_claim_is_kept_and_taken_over_through_a_pooler() {
    let pooler = PgBouncer::start_with(Server::shared(), &[("default_pool_size", "3"), ("server_round_robin", "1")]);
    let database = Database::fresh().await;
    let at_pooler = |address| Process::on(open_with(&database.url_at(pooler.port()), Options::default()), One, address);
    let (mut holder, mut newcomer) = (at_pooler("holder"), at_pooler("newcomer"));
    assert_eq!(holder.attempt().await, Registration::Registered);
    for _ in 0..5 {
        assert_eq!(holder.renew().await, Registration::Registered);
    }
    assert_eq!(named(&newcomer.attempt().await), [(One, "holder")]);
    assert_eq!(newcomer.decided().await.0, Registration::Registered);
    assert_eq!(named(&holder.renew().await), [(One, "newcomer")]);
    assert_eq!(addresses(&database).await, ["newcomer"]);
}

/// A server registers and renews before its store may be used, and while requests use all connections.
#[tokio::test]
async fn requests_neither_delay_a_renewal_nor_are_delayed_by_it() {
    let database = Database::fresh().await;
    let mut process = Process::on(open_with(database.url(), crate::support::with_connections(1)), One, "busy");
    process.store.hold();
    assert_eq!(process.attempt().await, Registration::Registered);
    process.store.release();
    let mut blocker = database.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE notebooks").execute(&mut blocker).await.unwrap();
    let store = Arc::clone(&process.store);
    let waiting = tokio::spawn(async move {
        quire_storage::NotebookQueries::versions(&*store, &[crate::support::notebook_id("n")]).await
    });
    crate::support::until("the only connection is in use", async || {
        let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'notebooks'::regclass";
        let waiting: i64 = sqlx::query_scalar(sql).fetch_one(&mut database.connect().await).await.unwrap();
        waiting == 1
    })
    .await;
    assert_eq!(process.renew().await, Registration::Registered);
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    waiting.await.unwrap().unwrap();
}
