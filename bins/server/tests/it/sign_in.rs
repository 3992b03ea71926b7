//! Tests of the server with sign-in. `quire-api` tests the rules for tokens and every route.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quire_test_postgres::Database;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::support::{Reply, Server, quire_server, run};

pub(crate) const PEM: &str = include_str!("../../../../crates/api/tests/it/keys/issuer.pem");
const DER: &[u8] = include_bytes!("../../../../crates/api/tests/it/keys/issuer.der");
pub(crate) const ISSUER: &str = "https://clerk.example.com";

/// Returns a token of this user that expires in 2049.
fn token(user: &str) -> String {
    token_until(user, 2_500_000_000)
}

/// Returns a token of this user that expires so many seconds after the beginning of 1970.
pub(crate) fn token_until(user: &str, exp: u64) -> String {
    let claims = json!({
        "iss": ISSUER, "sub": user, "azp": "http://localhost:3000", "exp": exp,
        "email": format!("{user}@example.com")
    });
    let parts = [json!({"alg": "RS256", "typ": "JWT", "kid": "any"}), claims];
    let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let key = RsaKeyPair::from_der(DER).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn ask(server: &Server, path: &str, user: Option<&str>) -> Reply {
    let authorization = user.map(|user| format!("Authorization: Bearer {}\r\n", token(user))).unwrap_or_default();
    server.ask(&format!("GET {path} HTTP/1.1\r\nHost: quire.example\r\n{authorization}Connection: close\r\n\r\n"))
}

#[test]
fn it_listens_anywhere_and_lets_in_who_has_signed_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = quire_server();
    command.env("CLERK_ISSUER", ISSUER).env("CLERK_JWT_KEY", PEM).arg("--notebooks-dir").arg(dir.path());
    let server = Server::spawn(command.args(["--port", "0", "--host", "0.0.0.0"]));
    assert!(server.log.iter().any(|line| line["address"] == format!("0.0.0.0:{}", server.port)));
    assert_eq!(ask(&server, "/health", None).status, 200);
    let stranger = ask(&server, "/api/notebooks", None);
    assert_eq!((stranger.status, stranger.header("www-authenticate")), (401, Some("bearer")));
    assert_eq!(stranger.problem()["code"], "not_signed_in");
    let list = ask(&server, "/api/notebooks", Some("user_1"));
    assert!(list.body.contains("blank-user_1"), "{list:?}");
    assert_eq!(ask(&server, "/api/notebooks/blank-user_1", Some("user_2")).status, 403);
}

#[test]
fn why_a_token_is_refused_is_logged_and_the_token_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = quire_server();
    command.env("CLERK_ISSUER", "https://clerk.other.example").env("CLERK_JWT_KEY", PEM);
    let mut server = Server::spawn(command.args(["--port", "0"]).arg("--notebooks-dir").arg(dir.path()));
    let reply = ask(&server, "/api/notebooks", Some("user_1"));
    assert_eq!((reply.status, &reply.problem()["code"]), (401, &json!("bad_token")));
    assert!(!reply.body.contains("iss"), "{}", reply.body);
    let line = server.wait_for("request");
    assert_eq!(line["failure"], "bad_token: it is another issuer's (iss)");
    assert!(!line.to_string().contains(&token("user_1")[..40]) && !line.to_string().contains("user_1"));
}

#[test]
fn without_the_issuers_keys_it_starts_and_says_what_is_missing() {
    // A port on which no process listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let mut command = quire_server();
    command.env("CLERK_ISSUER", format!("http://127.0.0.1:{port}"));
    let mut server = Server::spawn(command.args(["--port", "0"]).arg("--notebooks-dir").arg(dir.path()));
    let warning = "the sign-in keys cannot be fetched; those there are serve for a day at most";
    if !server.log.iter().any(|line| line["message"] == warning) {
        server.wait_for(warning);
    }
    assert_eq!(ask(&server, "/readyz", None).status, 200);
    let reply = ask(&server, "/api/notebooks", Some("user_1"));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("10")));
    assert_eq!(reply.problem()["code"], "sign_in_unavailable");
}

#[test]
fn development_mode_beside_clerk_is_a_mistake_of_usage() {
    let (code, out, err) = run(quire_server().env("CLERK_ISSUER", ISSUER).args(["--dev-user", "ann"]));
    assert_eq!((code, &*out), (2, ""));
    assert!(err.starts_with("quire-server: Invalid dev_user from the flag --dev-user: with sign-in,"), "{err}");
    let (code, _, err) = run(quire_server().env("CLERK_JWT_KEY", PEM));
    assert_eq!(code, 2, "{err}");
}

#[test]
fn who_is_not_active_in_the_database_is_kept_out_and_addresses_are_noted() {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::fresh());
    let mut command = quire_server();
    command.env("DATABASE_URL", database.url()).env("CLERK_ISSUER", ISSUER).env("CLERK_JWT_KEY", PEM);
    let server = Server::spawn(command.args(["--port", "0"]));
    assert_eq!(ask(&server, "/api/notebooks", Some("user_1")).status, 200);
    runtime.block_on(async {
        let mut connection = database.connect().await;
        let users = "INSERT INTO users (id, is_active) VALUES ('user_2', false), ('user_3', true)";
        sqlx::raw_sql(users).execute(&mut connection).await.unwrap();
    });
    let reply = ask(&server, "/api/notebooks", Some("user_2"));
    assert_eq!((reply.status, &reply.problem()["code"]), (403, &json!("inactive_user")));
    assert_eq!(ask(&server, "/api/notebooks", Some("user_3")).status, 200);
    let known: Vec<(String, Option<String>)> = runtime.block_on(async {
        let mut connection = database.connect().await;
        let known = "SELECT id, email FROM users WHERE id <> 'user_1' ORDER BY id";
        sqlx::query_as(known).fetch_all(&mut connection).await.unwrap()
    });
    let noted = ("user_3".to_owned(), Some("user_3@example.com".to_owned()));
    assert_eq!(known, [("user_2".to_owned(), None), noted]);
}

#[test]
fn too_many_requests_are_429() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(dir.path(), &["--requests-per-second", "1", "--requests-burst", "1"]);
    let mut talk = server.connect();
    let mut refused = None;
    for _ in 0..1_000 {
        talk.say("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let reply = talk.reply();
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let reply = refused.unwrap();
    assert_eq!((reply.header("retry-after"), &reply.problem()["code"]), (Some("1"), &json!("too_many_requests")));
}
