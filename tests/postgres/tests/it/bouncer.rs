use quire_test_postgres::{Database, PgBouncer, Server};
use sqlx::{ConnectOptions, Connection};

#[tokio::test]
async fn transactions_of_two_clients_share_a_connection() {
    let database = Database::fresh().await;
    let bouncer = PgBouncer::start(Server::shared());
    let options = database.options_at(bouncer.port());
    let (mut one, mut other) = (options.connect().await.unwrap(), options.connect().await.unwrap());
    let mut backends = Vec::new();
    for client in [&mut one, &mut other] {
        let query = sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()").persistent(false);
        backends.push(query.fetch_one(&mut *client).await.unwrap());
    }
    assert_eq!(backends[0], backends[1]);
    one.close().await.unwrap();
    other.close().await.unwrap();
}
