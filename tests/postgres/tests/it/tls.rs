use quire_test_postgres::{Server, Settings};
use sqlx::postgres::PgSslMode;
use sqlx::{ConnectOptions, Connection};

#[tokio::test]
async fn the_certificate_is_for_localhost_and_of_one_authority() {
    let server = Server::start(&Settings { tls: true, ..Settings::default() });
    let verified = |host: &str, ca| server.options().host(host).ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca);
    let mut connection = verified("localhost", server.ca()).connect().await.unwrap();
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(sqlx::query_scalar::<_, bool>(encrypted).fetch_one(&mut connection).await.unwrap());
    connection.close().await.unwrap();
    verified("localhost", server.other_ca()).connect().await.unwrap_err();
    verified("127.0.0.1", server.ca()).connect().await.unwrap_err();
    verified("127.0.0.1", server.ca()).ssl_mode(PgSslMode::VerifyCa).connect().await.unwrap();
}
