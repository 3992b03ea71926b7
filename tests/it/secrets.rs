//! Tests that planted passwords do not appear where they should not: in logs at every level, answers, command lines,
//! files, tables, and the output of the other programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use quire_test_postgres::{Database, Server as Postgres, Settings};
use quire_tests::{Server, binary};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::runtime::Runtime;

/// The password in notebooks' connection strings. Any escaping keeps the pieces at its two ends.
const PLANTED: &str = "plAnt3d/p@ss:w0rd?x";
const PIECES: [&str; 2] = ["plAnt3d", "w0rd"];
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Returns all texts that must not appear anywhere.
fn secrets(more: &[&str]) -> Vec<String> {
    PIECES
        .iter()
        .copied()
        .chain([&KEY[..20], &OTHER_KEY[..20]])
        .chain(more.iter().copied())
        .map(str::to_owned)
        .collect()
}

fn assert_hidden(what: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        let found = text.find(secret.as_str());
        assert!(found.is_none(), "{what} holds {secret:?}: …{}…", around(text, found.unwrap_or_default()));
    }
}

fn around(text: &str, at: usize) -> String {
    let before: Vec<char> = text[..at].chars().rev().take(80).collect();
    before.into_iter().rev().chain(text[at..].chars().take(80)).collect()
}

/// Returns connection strings in common forms.
fn strings() -> Vec<String> {
    let encoded = PLANTED.replace('/', "%2F").replace('@', "%40").replace(':', "%3A").replace('?', "%3F");
    vec![
        format!("postgresql://reader:{encoded}@db.example:5432/sales"),
        format!("postgresql://reader:{PLANTED}@db.example:5432/sales"),
        format!("postgresql://db.example/sales?user=reader&password={encoded}"),
        format!("host=db.example user=reader password='{PLANTED}' dbname=sales"),
        format!("Driver={{PostgreSQL}};Server=db.example;Uid=reader;Pwd={encoded};"),
    ]
}

/// Sets the strings, and sends them back as shown, wrongly, too long, broken, and to notebooks that do not exist.
/// Checks every answer.
fn exercise(server: &Server, secrets: &[String]) {
    let check = |method: &str, path: &str, body: Option<&Value>| {
        let (status, answer) = server.send(method, path, body);
        assert_hidden(&format!("the answer to {method} {path}"), &answer.to_string(), secrets);
        (status, answer)
    };
    let connect = |path: &str, text: &Value| check("PUT", path, Some(&json!({"connection_string": text}))).0;
    let id = check("POST", "/api/notebooks", None).1["notebook_id"].as_str().unwrap().to_owned();
    let (notebook, db) = (format!("/api/notebooks/{id}"), format!("/api/notebooks/{id}/db"));
    for text in strings() {
        assert_eq!(connect(&db, &json!(text)), 200);
        let before = check("GET", &notebook, None).1;
        let shown = before["db_conn_string"].as_str().unwrap().to_owned();
        assert_eq!(connect(&db, &json!(shown)), 200, "what was shown changes nothing");
        assert_eq!(check("GET", &notebook, None).1["revision"], before["revision"]);
        assert_eq!(connect(&db, &json!(format!("{shown}?edited=1"))), 422);
        assert_eq!(connect(&db, &json!(format!("{text}{}", "x".repeat(3_000)))), 422);
        assert_eq!(connect(&db, &json!([text])), 422);
        assert_eq!(connect("/api/notebooks/missing/db", &json!(text)), 404);
        assert_eq!(check("PUT", &notebook, Some(&json!({"connection_string": text}))).0, 405);
    }
    // This panic has another source than a connection string: a cell that makes the parser panic.
    let cell = check("GET", &notebook, None).1["cells"][0]["id"].as_str().unwrap().to_owned();
    check("PUT", &format!("{notebook}/cells/{cell}"), Some(&json!({"code": format!("?\n{}", strings()[0])})));
    check("DELETE", &format!("{notebook}/cells/{cell}"), None);
    check("GET", "/api/notebooks", None);
}

/// Returns the command lines of all processes.
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect::<Vec<_>>().join("\n")
}

fn files(dir: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            text += &files(&entry.path());
        } else {
            text += &String::from_utf8_lossy(&fs::read(entry.path()).unwrap());
        }
    }
    text
}

/// Returns every row of every table, as text.
async fn tables(database: &Database) -> String {
    let mut connection = database.connect().await;
    let names = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
    let names = sqlx::query(names).fetch_all(&mut connection).await.unwrap();
    let mut text = String::new();
    for name in names.iter().map(|row| row.get::<String, _>(0)) {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT t::text FROM {name} t"))).fetch_all(&mut connection).await;
        text.extend(rows.unwrap().iter().map(|row| row.get::<String, _>(0) + "\n"));
    }
    text
}

#[test]
fn no_secret_shows_with_a_database() {
    let postgres = Postgres::start(&Settings::default());
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::on(&postgres));
    let (before, rest) = database.url().split_once("//quire:").unwrap();
    let (password, rest) = rest.split_once('@').unwrap();
    let secrets = secrets(&[password]);
    let url = format!("{before}//quire@{rest}");
    let mut command = Command::new(binary("quire-server"));
    command.args(["--log", "trace", "--log-format", "json", "--database-url", &url]).env_remove("DATABASE_URL");
    command.env("DATABASE_PASSWORD", password).env("QUIRE_SECRET_KEY", KEY);
    let server = Server::spawn(command);
    exercise(&server, &secrets);
    assert_hidden("a command line", &command_lines(), &secrets);
    let rows = runtime.block_on(tables(&database));
    assert!(rows.contains("q1."), "nothing was sealed");
    // The cell's code is content of this notebook, and not one of the secrets.
    assert_hidden("a table", &rows, &secrets);

    for arguments in [&["status"][..], &["check"], &["reseal"]] {
        let mut command = Command::new(binary("quire-migrate"));
        command.args(arguments).env("DATABASE_URL", database.url());
        let output = command.env("QUIRE_SECRET_KEY", OTHER_KEY).env("QUIRE_SECRET_KEY_OLD", KEY).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_hidden("what the migrator says", &format!("{output:?}"), &secrets);
    }
    // The server does not have the new key: the string is unavailable, and everything else works.
    let (status, list) = server.send("GET", "/api/notebooks", None);
    assert_eq!(status, 200, "{list}");

    // The database goes away, which causes errors everywhere.
    postgres.kill();
    let db = json!({"connection_string": strings()[0]});
    let (status, answer) = server.send("PUT", "/api/notebooks/blank/db", Some(&db));
    assert_eq!(status, 503, "{answer}");
    assert_hidden("the answer without a database", &answer.to_string(), &secrets);
    let log = server.terminate_and_log();
    assert!(log.contains("\"level\":\"TRACE\""), "the log has no traces");
    assert_hidden("the log", &log, &secrets);
}

#[test]
fn no_secret_shows_with_files() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = secrets(&[]);
    let mut command = Command::new(binary("quire-server"));
    command.args(["--log", "trace", "--log-format", "json"]).arg("--notebooks-dir").arg(dir.path());
    command.env_remove("DATABASE_URL").env("QUIRE_SECRET_KEY", KEY);
    let server = Server::spawn(command);
    exercise(&server, &secrets);
    assert_hidden("a command line", &command_lines(), &secrets);
    let files = files(dir.path());
    assert!(files.contains("q1."), "nothing was sealed");
    assert_hidden("a file", &files, &secrets);
    assert_hidden("the log", &server.terminate_and_log(), &secrets);
}
