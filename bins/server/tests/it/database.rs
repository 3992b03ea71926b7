//! Tests of the server on PostgreSQL.

use quire_migration::{Kind, Limits, STEPS, Step};
use quire_test_postgres::{Database, PgBouncer, Server as Postgres, Settings};
use serde_json::json;
use sqlx::Row as _;
use tokio::runtime::Runtime;

use crate::support::{Reply, Server, quire_server, run};

fn server(url: &str, flags: &[&str]) -> Server {
    Server::spawn(quire_server().env("DATABASE_URL", url).args(["--port", "0"]).args(flags))
}

/// Returns the addresses of the servers that are registered.
pub(crate) fn registered(database: &Database) -> Vec<String> {
    Runtime::new().unwrap().block_on(async {
        let mut connection = database.connect().await;
        sqlx::query_scalar("SELECT address FROM servers ORDER BY address").fetch_all(&mut connection).await.unwrap()
    })
}

/// Applies these steps after those that the server knows, as a later release would.
async fn migrate_further(database: &Database, further: Step) {
    let steps: Vec<Step> = STEPS.iter().copied().chain([further]).collect();
    quire_migration::up(&database.options(), &steps, &Limits::default(), &mut |_| ()).await.unwrap();
}

fn later(kind: Kind) -> Step {
    Step {
        name: "m20990101_000000_later",
        kind,
        up: "CREATE TABLE later (id integer)",
        down: "DROP TABLE later",
        transactional: true,
    }
}

#[test]
fn notebooks_are_kept_in_the_database_and_none_is_loaded_at_start() {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::fresh());
    let mut first = server(database.url(), &[]);
    let messages: Vec<_> = first.log.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert!(messages.contains(&"Database connected") && !messages.contains(&"using file storage"), "{messages:?}");
    assert_eq!(first.get("/health"), json!({"status": "healthy", "database": "connected"}));
    assert_eq!(first.get("/api/notebooks")["notebooks"][1]["id"], "demo-local");
    let cell = format!("/api/notebooks/blank/cells/{}", first.first_cell("/api/notebooks/blank"));
    let edited = first.put(&cell, &json!({"code": "kept = 1"}));
    assert_eq!(edited["revision"], 1);
    // The server is not even asked to stop.
    first.signal(rustix::process::Signal::KILL);
    first.wait();

    // The notebook is broken on purpose: a server that loaded notebooks at its start would fail on it.
    let break_it = async {
        let mut connection = database.connect().await;
        let broken = "UPDATE cells SET order_key = 'broken!' WHERE notebook_id = 'demo-local'";
        sqlx::raw_sql(broken).execute(&mut connection).await.unwrap();
    };
    runtime.block_on(break_it);
    let second = server(database.url(), &[]);
    let blank = second.get("/api/notebooks/blank");
    assert_eq!((&blank["cells"][0]["code"], &blank["revision"]), (&json!("kept = 1"), &json!(1)));
    let reply = second.ask("GET /api/notebooks/demo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(reply.status, 500, "{}", reply.body);
    assert!(reply.body.contains("order_key") && reply.body.contains("notebook_damaged"), "{}", reply.body);
}

#[test]
fn it_starts_on_a_schema_that_it_knows_and_otherwise_says_what_to_run() {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::empty());
    let refused = |expected: &[&str]| {
        let (code, _, error) = run(quire_server().env("DATABASE_URL", database.url()).args(["--port", "0"]));
        assert_eq!(code, 1, "{error}");
        assert!(expected.iter().all(|text| error.contains(text)), "{error}");
    };
    refused(&["no schema yet", "quire-migrate up"]);
    drop(server(database.url(), &["--migrate"]));
    drop(server(database.url(), &[]));
    // The server works on a schema that is one compatible step ahead, and not on one that is a breaking step ahead.
    runtime.block_on(migrate_further(&database, later(Kind::Compatible)));
    let mut behind = server(database.url(), &[]);
    assert_eq!(behind.get("/api/notebooks")["notebooks"][0]["id"], "blank-local");
    behind.signal(rustix::process::Signal::TERM);
    assert!(behind.wait().success());
    let breaking =
        Step { name: "m20990101_000001_breaking", up: "SELECT 1", down: "SELECT 1", ..later(Kind::Breaking) };
    runtime.block_on(async {
        let steps: Vec<Step> = STEPS.iter().copied().chain([later(Kind::Compatible), breaking]).collect();
        quire_migration::up(&database.options(), &steps, &Limits::default(), &mut |_| ()).await.unwrap();
    });
    refused(&["m20990101_000001_breaking", "use the build that applied them"]);
}

#[test]
fn a_database_that_cannot_be_used_stops_the_start_without_showing_the_password() {
    let postgres = Postgres::start(&Settings::default());
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::on(&postgres));
    let right = database.url().to_owned();
    let wrong = right.replacen("//quire:", "//quire:hunter2", 1);
    let missing = right.replace(database.name(), "missing");
    let untrusted = format!("{right}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem");
    for (url, sentence) in [
        (&wrong, "password authentication failed"),
        (&missing, "does not exist"),
        (&untrusted, "the file that `sslrootcert` of the database's URL names cannot be read: No such file"),
    ] {
        let mut command = quire_server();
        let (code, out, error) = run(command.env("DATABASE_URL", url).args(["--port", "0", "--log", "trace"]));
        assert_eq!(code, 1, "{error}");
        assert!(error.contains(sentence), "{error}");
        assert!(!format!("{out}{error}").contains(" at line "), "no line of PostgreSQL's own source: {out}{error}");
        let password = right.split_once("//quire:").unwrap().1.split_once('@').unwrap().0;
        for secret in ["hunter2", password] {
            assert!(!out.contains(secret) && !error.contains(secret), "{out}{error}");
        }
    }
}

#[test]
fn a_database_of_another_encoding_stops_the_start() {
    let runtime = Runtime::new().unwrap();
    for encoding in ["LATIN1", "EUC_JP", "SQL_ASCII"] {
        let database = runtime.block_on(Database::empty_with_encoding(encoding));
        runtime.block_on(async {
            let script = sqlx::AssertSqlSafe(quire_migration::sql(STEPS));
            sqlx::raw_sql(script).execute(&mut database.connect().await).await.unwrap();
        });
        for flags in [&["--port", "0"][..], &["--port", "0", "--migrate"]] {
            let (code, _, error) = run(quire_server().env("DATABASE_URL", database.url()).args(flags));
            assert_eq!(code, 1, "{error}");
            assert!(error.contains(&format!("the encoding {encoding}")) && error.contains("needs UTF8"), "{error}");
        }
    }
}

/// Tests a pooler as installed, and one that drops the start-up parameters that it does not know.
#[test]
fn a_pooler_that_the_url_does_not_tell_of_is_noticed_at_the_start() {
    let database = Runtime::new().unwrap().block_on(Database::fresh());
    for ignored in ["", "extra_float_digits, options"] {
        let pooler = PgBouncer::start_with(
            Postgres::shared(),
            &[("ignore_startup_parameters", ignored), ("default_pool_size", "3"), ("server_round_robin", "1")],
        );
        let server = server(&database.url_at(pooler.port()), &[]);
        let warnings: Vec<_> =
            server.log.iter().filter(|line| line["level"] == "WARN").map(|line| &line["message"]).collect();
        let named = warnings.iter().filter(|message| message.as_str().unwrap().contains("add that to the URL")).count();
        assert_eq!(named, 1, "{warnings:?}");
        let cell = format!("/api/notebooks/blank/cells/{}", server.first_cell("/api/notebooks/blank"));
        let urls = [cell.as_str(), "/api/notebooks", "/health"].map(|path| server.url(path));
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let [cell, list, health] = urls.clone();
                std::thread::spawn(move || {
                    let get = |url: &str| -> serde_json::Value {
                        ureq::get(url).call().unwrap().body_mut().read_json().unwrap()
                    };
                    for round in 0..10 {
                        ureq::put(&cell).send_json(json!({"code": format!("x{number} = {round}")})).unwrap();
                        get(&list);
                        assert_eq!(get(&health), json!({"status": "healthy", "database": "connected"}));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

const AWAY: &str = "the database is away; waiting for it";

fn probe(server: &Server, path: &str) -> Reply {
    server.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

pub(crate) fn health_becomes(server: &Server, expected: &serde_json::Value, status: u16) {
    let start = std::time::Instant::now();
    loop {
        let reply = probe(server, "/health");
        if serde_json::from_str::<serde_json::Value>(&reply.body).unwrap() == *expected {
            assert_eq!(reply.status, status);
            return;
        }
        assert!(start.elapsed().as_secs() < 30, "{} is not {expected}", reply.body);
    }
}

#[test]
fn a_database_that_is_away_at_the_start_is_waited_for() {
    let postgres = Postgres::start(&Settings::default());
    let database = Runtime::new().unwrap().block_on(Database::on(&postgres));
    postgres.stop();
    let mut first = server(database.url(), &[]);
    let waiting = first.log.iter().find(|line| line["message"] == AWAY).expect("it says that it waits");
    assert!(!waiting.to_string().contains(database.url()), "{waiting}");
    health_becomes(&first, &json!({"status": "unhealthy", "database": "disconnected"}), 503);
    for path in ["/livez", "/readyz"] {
        assert_eq!(probe(&first, path).status, 200, "{path}");
    }
    let refused = probe(&first, "/api/notebooks");
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{refused:?}");
    // The server first looks up whether the user is active.
    assert!(refused.body.contains("sign_in_unavailable"), "{}", refused.body);
    postgres.restart();
    first.wait_for("Database connected");
    assert_eq!(registered(&database).len(), 1);
    health_becomes(&first, &json!({"status": "healthy", "database": "connected"}), 200);
    // The failure of the look-up is cached for five seconds.
    let start = std::time::Instant::now();
    let list = loop {
        let list = probe(&first, "/api/notebooks");
        if list.status == 200 {
            break list;
        }
        assert!(start.elapsed().as_secs() < 30, "{list:?}");
    };
    assert!(list.body.contains("blank-local"), "{list:?}");
    postgres.stop();
    let mut second = server(database.url(), &[]);
    second.signal(rustix::process::Signal::TERM);
    assert!(second.wait().success(), "it can be stopped while it waits");
}

/// Tests that what a pooler says of a database that is away is told from what it says of a wrong password.
#[test]
fn a_database_that_is_away_behind_a_pooler_is_waited_for_and_a_wrong_password_is_not() {
    let postgres = Postgres::start(&Settings::default());
    let database = Runtime::new().unwrap().block_on(Database::on(&postgres));
    let pooler = PgBouncer::start_with(&postgres, &[("server_login_retry", "1")]);
    let url = database.url_at(pooler.port());
    let is_waited_for = |url: &str| {
        let mut server = server(url, &[]);
        assert!(server.log.iter().any(|line| line["message"] == AWAY), "{:?}", server.log);
        health_becomes(&server, &json!({"status": "unhealthy", "database": "disconnected"}), 503);
        server.signal(rustix::process::Signal::TERM);
        assert!(server.wait().success());
    };
    postgres.stop();
    // A pooler that has never reached the database lets its clients wait.
    is_waited_for(&format!("{url}?connect_timeout=2"));
    // One that has reached it refuses them, once it has failed to do so again.
    postgres.restart();
    let mut first = server(&url, &[]);
    first.signal(rustix::process::Signal::TERM);
    assert!(first.wait().success());
    postgres.stop();
    for url in [url.clone(), format!("{url}?pgbouncer=true")] {
        is_waited_for(&url);
    }
    let mut waiting = server(&url, &[]);
    postgres.restart();
    waiting.wait_for("Database connected");
    health_becomes(&waiting, &json!({"status": "healthy", "database": "connected"}), 200);
    assert_eq!(registered(&database).len(), 1);
    let wrong = url.replacen("//quire:", "//quire:hunter2", 1);
    let (code, _, error) = run(quire_server().env("DATABASE_URL", &wrong).args(["--port", "0"]));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("authentication failed") && !error.contains("hunter2"), "{error}");
}

/// Tests that a server starts on a database that takes no writes, and reads from it.
#[test]
fn a_database_that_takes_no_writes_at_the_start_is_read() {
    let postgres = Postgres::start(&Settings::default());
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::on(&postgres));
    runtime.block_on(async {
        let mut connection = database.connect().await;
        sqlx::raw_sql("ALTER SYSTEM SET default_transaction_read_only = on").execute(&mut connection).await.unwrap();
    });
    postgres.restart();
    let server = server(database.url(), &[]);
    health_becomes(&server, &json!({"status": "degraded", "database": "read_only"}), 200);
    assert!(registered(&database).is_empty());
}

/// The server neither reads from a database nor writes to it before its schema was checked.
#[test]
fn a_database_that_was_away_ends_the_server_if_its_schema_does_not_fit() {
    let postgres = Postgres::start(&Settings::default());
    let database = Runtime::new().unwrap().block_on(Database::empty_on(&postgres));
    postgres.stop();
    let mut child = quire_server();
    let child = child.env("DATABASE_URL", database.url()).args(["--port", "0"]).stderr(std::process::Stdio::piped());
    let mut server = Server::spawn(child);
    assert!(server.log.iter().any(|line| line["message"] == AWAY));
    postgres.restart();
    let (status, error) = server.wait_with_error();
    assert_eq!(status.code(), Some(1));
    assert!(error.contains("no schema yet") && error.contains("quire-migrate up"), "{error}");
}

#[test]
fn health_notices_a_database_that_takes_no_writes_and_one_that_is_away() {
    let postgres = Postgres::start(&Settings::default());
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::on(&postgres));
    let server = server(database.url(), &[]);
    let health_becomes = |expected: &serde_json::Value, status| health_becomes(&server, expected, status);
    let healthy = json!({"status": "healthy", "database": "connected"});
    health_becomes(&healthy, 200);
    let set = |value: &str| {
        let sql = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        runtime.block_on(async {
            let mut connection = database.connect().await;
            sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut connection).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            let reloaded = sqlx::query("SELECT pg_reload_conf()").fetch_one(&mut connection).await.unwrap();
            assert!(reloaded.get::<bool, _>(0));
        });
    };
    set("on");
    health_becomes(&json!({"status": "degraded", "database": "read_only"}), 200);
    set("off");
    health_becomes(&healthy, 200);
    postgres.kill();
    health_becomes(&json!({"status": "unhealthy", "database": "disconnected"}), 503);
    assert_eq!(probe(&server, "/readyz").status, 200);
    postgres.restart();
    health_becomes(&healthy, 200);
    // The server can show a notebook in memory, so it is more useful than a replacement.
    let shown = server.get("/api/notebooks/demo");
    postgres.kill();
    health_becomes(&json!({"status": "degraded", "database": "disconnected"}), 200);
    assert_eq!(server.get("/api/notebooks/demo")["cells"], shown["cells"]);
    assert_eq!(probe(&server, "/readyz").status, 200);
}
