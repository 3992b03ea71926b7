//! Tests of what clients know of a notebook: worthless once its database was restored from a backup, and as good as before
//! once a standby was promoted.

use std::process::Command;
use std::time::{Duration, Instant};

use quire_test_postgres::{Database, Proxy, Server as Postgres, Settings};
use quire_tests::neighbour::Wire;
use quire_tests::{Reply, Server, binary};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use tokio::runtime::Runtime;

use crate::operations::said;

/// Time-out for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A notebook, and what a client knows of it.
struct Known {
    id: String,
    path: String,
    cell: String,
    revision: Value,
    etag: String,
    seq: Value,
}

/// Sends a request with one header more.
fn send(server: &Server, method: &str, path: &str, header: (&str, &str), body: Option<&Value>) -> Reply {
    server.client().send(method, path, &[header], body).unwrap()
}

impl Known {
    /// Creates a notebook of one cell.
    fn create(server: &Server) -> Self {
        let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
        let path = format!("/api/notebooks/{id}");
        let cell = server.ok("GET", &path, None)["cells"][0]["id"].as_str().unwrap().to_owned();
        let cell = format!("{path}/cells/{cell}");
        let mut known = Self { id, path, cell, revision: Value::Null, etag: String::new(), seq: Value::Null };
        known.read(server);
        known
    }

    /// Reads the notebook, and returns its cell's code.
    fn read(&mut self, server: &Server) -> String {
        let Reply { status, etag, mut body, .. } = send(server, "GET", &self.path, ("Accept", "*/*"), None);
        assert_eq!(status, 200, "{body}");
        self.etag = etag;
        self.seq = body["seq"].take();
        self.revision = body["revision"].take();
        body["cells"][0]["code"].as_str().unwrap().to_owned()
    }

    /// Reads the notebook unless it is as known.
    fn read_again(&self, server: &Server) -> Reply {
        send(server, "GET", &self.path, ("If-None-Match", &self.etag), None)
    }

    fn edit(&self, server: &Server, code: &str) {
        server.ok("PUT", &self.cell, Some(&json!({"code": code})));
    }

    /// Saves the cell, provided that the notebook is as known.
    fn save(&self, server: &Server, code: &str) -> (u16, Value) {
        server.send("PUT", &self.cell, Some(&json!({"code": code, "expected_revision": self.etag})))
    }

    /// Watches the notebook from the known state on, and returns the first message.
    fn first_message(&self, server: &Server) -> Value {
        let mut socket = Wire::connect(server.address(), "any");
        socket.upgrade(&self.id);
        socket.text(&json!({"type": "authenticate", "token": "any", "resume": self.seq}));
        assert_eq!(socket.message()["type"], "authenticated");
        socket.message()
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// Repeats a look until it shows the expected.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Two databases are restored from one dump, and get as many edits as the lost history has. Without new lives, the
/// numbers that clients hold match contents that they have never seen.
#[test]
fn after_a_restore_with_new_lives_nothing_of_the_lost_history_matches() {
    let runtime = Runtime::new().unwrap();
    let lost = runtime.block_on(Database::fresh());
    let server = Server::on_database(lost.url());
    let mut known = Known::create(&server);
    known.edit(&server, "code = 'dumped'");
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump");
    run(Command::new("pg_dump").args(["--format=custom", "--file"]).arg(&dump).arg(lost.url()));
    known.edit(&server, "code = 'lost'");
    known.edit(&server, "code = 'lost too'");
    known.read(&server);
    assert!(server.terminate());

    for has_new_lives in [false, true] {
        let restored = runtime.block_on(Database::empty());
        run(Command::new("pg_restore").args(["--exit-on-error", "--dbname", restored.url()]).arg(&dump));
        if has_new_lives {
            run(Command::new(binary("quire-migrate")).arg("new-generation").env("DATABASE_URL", restored.url()));
        }
        let server = Server::on_database(restored.url());
        known.edit(&server, "code = 'another'");
        known.edit(&server, "code = 'another one'");
        let read = known.read_again(&server);
        let saved = known.save(&server, "code = 'overwritten'");
        if !has_new_lives {
            assert_eq!((read.status, saved.0), (304, 200), "the numbers are given out again: {}", saved.1);
            continue;
        }
        assert_eq!((read.status, &read.body["revision"]), (200, &known.revision));
        assert_eq!(read.body["cells"][0]["code"], "code = 'another one'");
        assert_eq!((saved.0, &saved.1["code"]), (409, &json!("revision_conflict")), "{}", saved.1);
        let name = json!({"name": "overwritten"});
        let renamed = send(&server, "PUT", &format!("{}/name", known.path), ("If-Match", &known.etag), Some(&name));
        assert_eq!(renamed.status, 412, "{}", renamed.body);
        assert_eq!(known.first_message(&server)["type"], "resync");
        assert_eq!(known.read(&server), "code = 'another one'");
        assert_eq!(known.save(&server, "code = 'mine'").0, 200);
    }
}

/// A promotion loses nothing that the standby has replayed, and whoever knows a notebook goes on with what is known, at the
/// server that was there before and at a new one.
#[test]
fn a_promotion_of_a_standby_changes_nothing_for_clients() {
    let runtime = Runtime::new().unwrap();
    let primary = Postgres::start(&Settings::default());
    let database = runtime.block_on(Database::on(&primary));
    let proxy = Proxy::start(&primary);
    let server = Server::on_database(&database.url_at(proxy.port()));
    let mut known = Known::create(&server);
    let standby = primary.standby();
    known.edit(&server, "code = 'replayed'");
    known.read(&server);

    let ask = |postgres: &Postgres, query: &'static str, value: Option<&str>| {
        runtime.block_on(async {
            let mut connection = postgres.options().connect().await.unwrap();
            let query = sqlx::query_scalar::<_, String>(query);
            let query = if let Some(value) = value { query.bind(value.to_owned()) } else { query };
            query.fetch_one(&mut connection).await.unwrap()
        })
    };
    let written = ask(&primary, "SELECT pg_current_wal_lsn()::text", None);
    let is_replayed = "SELECT (pg_last_wal_replay_lsn() >= $1::pg_lsn)::text";
    until("the standby has replayed the edit", || ask(&standby, is_replayed, Some(&written)) == "true");
    primary.kill();
    assert_eq!(ask(&standby, "SELECT pg_promote()::text", None), "true");
    proxy.lead_to(&standby);
    until("the server has found the new primary", || server.send("GET", "/health", None).1["status"] == "healthy");

    assert_eq!(known.read_again(&server).status, 304);
    let other = Server::on_database(&database.url_at(standby.port()));
    assert_eq!(known.read_again(&other).status, 304);
    let (status, saved) = known.save(&server, "code = 'after the promotion'");
    assert_eq!(status, 200, "{saved}");
    let message = known.first_message(&server);
    assert_eq!(
        (&message["type"], &message["cell"]["code"]),
        (&json!("cell_updated"), &json!("code = 'after the promotion'"))
    );
    known.read(&server);
    assert_eq!(known.read_again(&other).status, 304);
    assert_eq!(known.save(&other, "code = 'elsewhere'").0, 200);
}
