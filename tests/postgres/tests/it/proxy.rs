use std::time::Duration;

use quire_test_postgres::{Counts, Cut, Database, Proxy, Server, Settings};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Error};

const INSERT: &str = "INSERT INTO users (id) VALUES ($1)";

#[tokio::test]
async fn round_trips_are_counted() {
    let (database, proxy, mut connection) = set_up().await;
    assert_eq!(proxy.counts(), Counts::default());
    for id in ["one", "two", "three"] {
        insert(&mut connection, id).await.unwrap();
    }
    connection.ping().await.unwrap();
    sqlx::raw_sql("SELECT 1; SELECT 2").execute(&mut connection).await.unwrap();
    assert_eq!(proxy.counts(), Counts { executions: 3, preparations: 1, simple: 1, pings: 1 });
    assert_eq!(proxy.counts().round_trips(), 5);
    proxy.reset();
    let mut transaction = connection.begin().await.unwrap();
    insert(&mut transaction, "four").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(proxy.counts(), Counts { executions: 1, preparations: 0, simple: 2, pings: 0 });
    assert_eq!(users(&database).await, 4);
}

#[tokio::test]
async fn a_pools_pings_are_told_apart() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let pool = PgPoolOptions::new().max_connections(1).connect_with(database.options_at(proxy.port())).await.unwrap();
    for id in 0..20 {
        sqlx::query(INSERT).bind(id.to_string()).execute(&pool).await.unwrap();
    }
    let counts = proxy.counts();
    assert_eq!((counts.executions, counts.preparations, counts.simple), (20, 1, 0));
    assert!(counts.pings >= 19, "{counts:?}");
}

#[tokio::test]
async fn new_connections_lead_to_another_server() {
    let (_database, proxy, mut present) = set_up().await;
    let other = Server::start(&Settings::default());
    proxy.lead_to(&other);
    let mut new = other.options().port(proxy.port()).connect().await.unwrap();
    for (connection, server) in [(&mut present, Server::shared()), (&mut new, &other)] {
        let port = "SELECT current_setting('port')::int";
        let port: i32 = sqlx::query_scalar(port).fetch_one(connection).await.unwrap();
        assert_eq!(port, i32::from(server.port()));
    }
}

#[tokio::test]
async fn a_cut_before_sending_loses_the_statement() {
    let (database, proxy, mut connection) = set_up().await;
    insert(&mut connection, "kept").await.unwrap();
    proxy.cut_next(Cut::BeforeSending);
    assert!(matches!(insert(&mut connection, "lost").await, Err(Error::Io(_))));
    assert_eq!((proxy.cuts(), users(&database).await), (1, 1));
}

#[tokio::test]
async fn a_cut_after_the_answer_loses_the_answer_only() {
    let (database, proxy, mut connection) = set_up().await;
    for round in 1..=50 {
        proxy.cut_next(Cut::AfterAnswer);
        connection.ping().await.unwrap();
        assert!(matches!(insert(&mut connection, &round.to_string()).await, Err(Error::Io(_))));
        assert_eq!(proxy.cuts(), round);
        assert_eq!(users(&database).await, i64::try_from(round).unwrap());
        connection = database.options_at(proxy.port()).connect().await.unwrap();
    }
}

#[tokio::test]
async fn a_long_answer_is_lost_as_a_whole() {
    let (_database, proxy, mut connection) = set_up().await;
    let long = "SELECT repeat('x', $1) FROM generate_series(1, 1000)";
    proxy.cut_next(Cut::AfterAnswer);
    let rows = sqlx::query(long).bind(1000).fetch_all(&mut connection).await;
    assert!(matches!(rows, Err(Error::Io(_))));
}

#[tokio::test]
async fn a_cut_after_sending_answers_nothing() {
    let (_database, proxy, mut connection) = set_up().await;
    proxy.cut_next(Cut::AfterSending);
    let slow = sqlx::query("SELECT pg_sleep($1)").bind(3600.0);
    assert!(matches!(slow.execute(&mut connection).await, Err(Error::Io(_))));
    assert_eq!(proxy.cuts(), 1);
}

#[tokio::test]
async fn a_cut_can_wait_for_a_statement() {
    let (database, proxy, mut connection) = set_up().await;
    proxy.cut_next_with(Cut::AfterAnswer, "INSERT INTO users");
    sqlx::query("SELECT $1").bind(1).execute(&mut connection).await.unwrap();
    assert!(matches!(insert(&mut connection, "kept").await, Err(Error::Io(_))));
    let mut connection = database.options_at(proxy.port()).connect().await.unwrap();
    proxy.cut_next_with(Cut::BeforeSending, "COMMIT");
    let mut transaction = connection.begin().await.unwrap();
    insert(&mut transaction, "rolled back").await.unwrap();
    assert!(matches!(transaction.commit().await, Err(Error::Io(_))));
    assert_eq!((proxy.cuts(), users(&database).await), (2, 1));
}

#[tokio::test]
async fn a_delayed_statement_arrives_when_its_client_has_lost_the_connection() {
    let (database, proxy, mut connection) = set_up().await;
    proxy.delay_with("INSERT INTO users");
    sqlx::query("SELECT $1").bind(1).execute(&mut connection).await.unwrap();
    assert!(matches!(insert(&mut connection, "late").await, Err(Error::Io(_))));
    drop(connection);
    // Time shows that the statement is not on its way; it waits for no other event.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((proxy.delayed(), proxy.cuts(), users(&database).await), (1, 0, 0));
    proxy.deliver();
    while proxy.cuts() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(users(&database).await, 1);
    let mut connection = database.options_at(proxy.port()).connect().await.unwrap();
    insert(&mut connection, "in time").await.unwrap();
}

#[tokio::test]
async fn connections_are_refused_and_taken_again() {
    let (database, proxy, mut connection) = set_up().await;
    proxy.refuse();
    let refused = database.options_at(proxy.port()).connect().await.unwrap_err();
    assert!(matches!(refused, Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused));
    insert(&mut connection, "goes on").await.unwrap();
    proxy.cut_all();
    assert!(matches!(insert(&mut connection, "lost").await, Err(Error::Io(_))));
    proxy.accept();
    let mut connection = database.options_at(proxy.port()).connect().await.unwrap();
    insert(&mut connection, "again").await.unwrap();
}

#[tokio::test]
async fn a_frozen_proxy_is_silent() {
    let (database, proxy, mut connection) = set_up().await;
    proxy.freeze();
    let options = database.options_at(proxy.port());
    let waiting = tokio::spawn(async move { options.connect().await });
    let insertion = insert(&mut connection, "late");
    // The time-out shows that the connection is frozen; it waits for no other event.
    let mut insertion = std::pin::pin!(insertion);
    tokio::time::timeout(Duration::from_millis(100), &mut insertion).await.unwrap_err();
    assert!(!waiting.is_finished());
    assert_eq!(users(&database).await, 0);
    proxy.thaw();
    insertion.await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(users(&database).await, 1);
}

#[tokio::test]
async fn a_stranded_connection_is_silent_and_new_ones_work() {
    let (database, proxy, mut connection) = set_up().await;
    proxy.strand();
    let insertion = insert(&mut connection, "silent");
    assert!(tokio::time::timeout(Duration::from_millis(300), insertion).await.is_err());
    let mut connection = database.options_at(proxy.port()).connect().await.unwrap();
    insert(&mut connection, "new").await.unwrap();
    assert_eq!(users(&database).await, 1);
}

async fn set_up() -> (Database, Proxy, PgConnection) {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let connection = database.options_at(proxy.port()).connect().await.unwrap();
    (database, proxy, connection)
}

async fn insert(connection: &mut PgConnection, id: &str) -> Result<(), Error> {
    sqlx::query(INSERT).bind(id).execute(connection).await.map(drop)
}

async fn users(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut database.connect().await).await.unwrap()
}
