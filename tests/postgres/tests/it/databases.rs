use quire_test_postgres::Database;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

#[tokio::test]
async fn fresh_databases_are_migrated_and_apart() {
    let (one, other) = tokio::join!(Database::fresh(), Database::fresh());
    assert_ne!(one.name(), other.name());
    let mut connection = one.connect().await;
    sqlx::query("INSERT INTO users (id) VALUES ('a user')").execute(&mut connection).await.unwrap();
    assert_eq!(users(&one).await, 1);
    assert_eq!(users(&other).await, 0);
}

#[tokio::test]
async fn an_empty_database_has_no_table() {
    let database = Database::empty().await;
    let pool = database.pool(3).await;
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(sqlx::query_scalar::<_, i64>(tables).fetch_one(&pool).await.unwrap(), 0);
}

#[tokio::test]
async fn the_url_and_the_options_name_the_same_database() {
    let database = Database::empty().await;
    let by_url: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    for options in [by_url, database.options(), database.options_at(quire_test_postgres::Server::shared().port())] {
        let mut connection = options.connect().await.unwrap();
        let row = sqlx::query("SELECT current_database()::text").fetch_one(&mut connection).await.unwrap();
        assert_eq!(row.get::<String, _>(0), database.name());
    }
}

#[tokio::test]
async fn a_database_goes_with_its_guard_even_while_panicking_and_in_use() {
    let (said, name) = std::sync::mpsc::channel();
    let panicked = tokio::spawn(async move {
        let database = Database::empty().await;
        let _in_use = database.connect().await;
        said.send(database.name().to_owned()).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let name = name.recv().unwrap();
    let mut connection = quire_test_postgres::Server::shared().options().connect().await.unwrap();
    let there = AssertSqlSafe(format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"));
    assert_eq!(sqlx::query_scalar::<_, i64>(there).fetch_one(&mut connection).await.unwrap(), 0);
    connection.close().await.unwrap();
}

async fn users(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut database.connect().await).await.unwrap()
}
