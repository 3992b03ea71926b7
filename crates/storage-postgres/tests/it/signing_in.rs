//! Passwords that change, and encryption as demanded.

use std::path::Path;

use quire_storage::StoreError;
use quire_storage::prelude::*;
use quire_storage_postgres::{DatabaseUrl, Options, PasswordSource, PostgresNotebookStore};
use quire_test_postgres::{Database, Server, Settings};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::{Editor, load, notebook, notebook_id, open_with, update};

/// A role of its own with rights on data, and a superuser's connection.
struct Role {
    name: String,
    database: Database,
    superuser: PgConnection,
}

impl Role {
    async fn new(password: &str) -> Self {
        let database = Database::fresh().await;
        let (name, superuser) = (format!("{}_server", database.name()), database.connect().await);
        let mut role = Self { name, database, superuser };
        let name = &role.name;
        let sql = format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{password}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name};"
        );
        role.execute(sql).await;
        role
    }

    async fn execute(&mut self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.superuser).await.unwrap();
    }

    /// Gives the role another password and ends its connections.
    async fn change_password(&mut self, password: &str) {
        let name = &self.name;
        let sql = format!(
            "ALTER ROLE {name} PASSWORD '{password}';
             SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '{name}'"
        );
        self.execute(sql).await;
    }

    fn store(&self, password: PasswordSource) -> PostgresNotebookStore {
        let options = self.database.options();
        let place = format!("{}:{}/{}", options.get_host(), options.get_port(), self.database.name());
        let url = DatabaseUrl::parse(&format!("postgres://{}@{place}", self.name)).unwrap();
        PostgresNotebookStore::new(url.with_password(password), Options::default()).unwrap()
    }

    async fn drop(mut self, store: PostgresNotebookStore) {
        store.close().await;
        let name = self.name.clone();
        self.execute(format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
    }
}

/// An error as it may be logged, with all that lies beneath it.
fn told(error: &StoreError) -> String {
    let beneath = std::iter::successors(std::error::Error::source(error), |error| error.source());
    beneath.fold(format!("{error} {error:?}"), |told, error| format!("{told} {error} {error:?}"))
}

#[tokio::test]
async fn a_changed_password_is_read_again() {
    let mut role = Role::new("first word").await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first word\n").unwrap();
    let store = role.store(PasswordSource::File(file.clone()));
    let mut editor = Editor::create(&store, notebook("x", &[("a", "")])).await;

    role.change_password("second word").await;
    std::fs::write(&file, "second word\n").unwrap();
    assert_eq!(load(&store, &notebook_id("x")).await.revision.0, 0);
    role.change_password("third word").await;
    std::fs::write(&file, "third word\n").unwrap();
    editor.commit(&store, &[update("a", "stored")]).await.unwrap();

    // The file is changed after the password, and in between the store is refused.
    role.change_password("fourth word").await;
    let refused = store.load(&notebook_id("x")).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unavailable { .. }), "{refused:?}");
    let told = told(&refused);
    assert!(told.contains("user or password") && !told.contains(" word"), "{told}");
    std::fs::write(&file, "fourth word\n").unwrap();
    assert_eq!(load(&store, &notebook_id("x")).await.revision.0, 1);
    role.drop(store).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let role = Role::new("right").await;
    let store = role.store(PasswordSource::Text("hunter2".to_owned()));
    for error in [
        store.load(&notebook_id("x")).await.unwrap_err(),
        store.create(&notebook("x", &[]), None).await.unwrap_err(),
        store.delete_current(&notebook_id("x"), None).await.unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(!told(&error).contains("hunter2"), "{}", told(&error));
    }
    assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
    assert!(!format!("{:?}", store.connect().await.unwrap_err()).contains("hunter2"));
    role.drop(store).await;
}

/// Signs in to the store with such a URL.
async fn sign_in(database: &Database, host: &str, query: &str) -> Result<bool, String> {
    let url = database.url().replace("127.0.0.1", host);
    let store = open_with(&format!("{url}?{query}"), Options::default());
    store.connect().await.map_err(|error| format!("{error:?}"))?;
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'quire' AND datname = current_database()";
    let encrypted = sqlx::query_scalar(sql).fetch_one(&mut database.connect().await).await.unwrap();
    store.close().await;
    Ok(encrypted)
}

fn with_ca(mode: &str, ca: &Path) -> String {
    format!("sslmode={mode}&sslrootcert={}", ca.display())
}

#[tokio::test]
async fn encryption_is_as_demanded() {
    let server = Server::start(&Settings { tls: true, ..Settings::default() });
    let database = Database::on(&server).await;
    assert_eq!(sign_in(&database, "127.0.0.1", "sslmode=require").await, Ok(true));
    assert_eq!(sign_in(&database, "127.0.0.1", "sslmode=disable").await, Ok(false));
    assert_eq!(sign_in(&database, "localhost", &with_ca("verify-full", &server.ca())).await, Ok(true));
    assert_eq!(sign_in(&database, "127.0.0.1", &with_ca("verify-ca", &server.ca())).await, Ok(true));
    // On a Unix socket there is nothing to encrypt, and no name to verify.
    let socket = server.ca().parent().unwrap().display().to_string();
    let url = database.url().replace("127.0.0.1", "");
    for mode in ["require", "verify-full"] {
        let store = open_with(&format!("{url}?host={socket}&sslmode={mode}"), Options::default());
        store.connect().await.unwrap();
        store.close().await;
    }
    // The certificate is for another name, and then by another authority.
    let refused = sign_in(&database, "127.0.0.1", &with_ca("verify-full", &server.ca())).await.unwrap_err();
    assert!(refused.contains("NotValidForName"), "{refused}");
    for mode in ["verify-full", "verify-ca"] {
        let refused = sign_in(&database, "localhost", &with_ca(mode, &server.other_ca())).await.unwrap_err();
        assert!(refused.contains("UnknownIssuer") || refused.contains("BadSignature"), "{refused}");
    }
}

#[tokio::test]
async fn encryption_is_not_left_out_where_it_is_demanded() {
    let server = Server::start(&Settings::default());
    let database = Database::on(&server).await;
    assert_eq!(sign_in(&database, "127.0.0.1", "sslmode=prefer").await, Ok(false));
    assert!(sign_in(&database, "127.0.0.1", "sslmode=require").await.is_err());
}

/// As libpq: `allow` and `prefer` go the other way where the server lets nobody in by the first.
#[tokio::test]
async fn encryption_is_tried_both_ways_where_either_will_do() {
    let server = Server::start(&Settings { tls: true, ..Settings::default() });
    let database = Database::on(&server).await;
    let rules =
        "CREATE ROLE secured SUPERUSER LOGIN PASSWORD 'word'; CREATE ROLE plain SUPERUSER LOGIN PASSWORD 'word';
        CREATE TEMPORARY TABLE rules (line text);
        INSERT INTO rules VALUES ('hostssl all secured 127.0.0.1/32 scram-sha-256'),
            ('hostnossl all plain 127.0.0.1/32 scram-sha-256'), ('host all quire 127.0.0.1/32 scram-sha-256');
        DO $$ BEGIN EXECUTE format('COPY rules TO %L', current_setting('hba_file')); END $$";
    sqlx::raw_sql(rules).execute(&mut database.connect().await).await.unwrap();
    server.restart();
    let (_, place) = database.url().split_once('@').unwrap();
    let sign_in = async |user: &str, mode: &str| {
        let store = open_with(&format!("postgres://{user}@{place}?sslmode={mode}"), Options::default());
        let connected = store.connect().await;
        store.close().await;
        connected
            .map_err(|error| told(&StoreError::Unavailable { reason: String::new(), source: Some(Box::new(error)) }))
    };
    for (user, mode, is_let_in) in [
        ("secured", "disable", false),
        ("secured", "allow", true),
        ("secured", "prefer", true),
        ("secured", "require", true),
        ("plain", "disable", true),
        ("plain", "allow", true),
        ("plain", "prefer", true),
        ("plain", "require", false),
    ] {
        let connected = sign_in(&format!("{user}:word"), mode).await;
        assert_eq!(connected.is_ok(), is_let_in, "{user}, {mode}: {connected:?}");
        let wrong = sign_in(&format!("{user}:wrong"), mode).await.unwrap_err();
        assert_eq!(wrong.contains("password authentication failed"), is_let_in, "{user}, {mode}: {wrong}");
        assert!(!wrong.contains(" at line "), "{wrong}");
    }
}

/// There is no agreement on TLS: the server speaks only versions that are given up.
#[tokio::test]
async fn encryption_that_cannot_be_had_is_left_out_where_it_is_only_preferred() {
    let server = Server::start(&Settings { tls: true, ..Settings::default() });
    let database = Database::on(&server).await;
    for change in
        ["ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1'", "ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.1'"]
    {
        sqlx::raw_sql(change).execute(&mut database.connect().await).await.unwrap();
    }
    server.restart();
    let url = format!("{}?sslmode=", database.url());
    for (mode, is_let_in) in [("prefer", true), ("allow", true), ("require", false)] {
        let store = open_with(&format!("{url}{mode}"), Options::default());
        assert_eq!(store.connect().await.is_ok(), is_let_in, "{mode}");
        store.close().await;
    }
}

/// Of a password that `SASLprep` refuses, which sqlx can send to no server that asks for SCRAM, no character is shown.
#[tokio::test]
async fn a_password_that_cannot_be_prepared_is_refused_without_a_character_of_it() {
    let password = "hunter2\u{7}\u{e000}";
    let role = Role::new(password).await;
    let store = role.store(PasswordSource::Text(password.to_owned()));
    let told = told(&store.load(&notebook_id("x")).await.unwrap_err());
    assert!(told.contains("give the role another password"), "{told}");
    for shown in ["hunter2", "\u{7}", "\u{e000}", "e000", "u{7}"] {
        assert!(!told.contains(shown), "{told}");
    }
    role.drop(store).await;
}
