//! Tests that watchers at one server are told what is done at another as if it were done there.

use std::process::Command;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use quire_domain::{CellId, CellStatus, Json, NotebookId, Output, Results, UserId};
use quire_service::{NotebookService, Options};
use quire_storage_postgres::{DatabaseUrl, PostgresNotebookStore};
use quire_test_postgres::Database;
use quire_tests::neighbour::Wire;
use quire_tests::{Server, binary};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Two servers on one database, a notebook, and a watcher of it at each server.
struct Pair {
    a: Server,
    b: Server,
    at_a: Wire,
    at_b: Wire,
    id: String,
    path: String,
    /// The cells' ids, in the order of their creation.
    cells: Vec<String>,
    database: Database,
    runtime: Runtime,
}

fn watch(server: &Server, notebook: &str) -> Wire {
    let mut wire = Wire::connect(server.address(), "any");
    wire.upgrade(notebook);
    wire.authenticate();
    wire
}

/// Returns the messages of the next event, without their positions in the server's events.
fn event(wire: &mut Wire) -> Vec<String> {
    let mut messages = Vec::new();
    loop {
        let text = wire.next_text().expect("a message comes");
        let (message, seq) = text.rsplit_once(",\"seq\":\"").unwrap_or_else(|| panic!("no event: {text}"));
        messages.push(message.to_owned());
        // Further messages of the event follow one whose position has a full stop.
        if !seq.contains('.') {
            return messages;
        }
    }
}

fn brief(message: &str) -> String {
    let message: Value = serde_json::from_str(&format!("{message}}}")).unwrap();
    let of = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", of("type"), of("status")).trim().to_owned()
}

impl Pair {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let database = runtime.block_on(Database::fresh());
        let [a, b] = [(); 2].map(|()| {
            let mut command = Command::new(binary("quire-server"));
            command.env("DATABASE_URL", database.url()).env("QUIRE_SECRET_KEY", BASE64_STANDARD.encode([7; 32]));
            Server::spawn(command)
        });
        let id = a.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
        let path = format!("/api/notebooks/{id}");
        let first = b.ok("GET", &path, None)["cells"][0]["id"].as_str().unwrap().to_owned();
        let (at_a, at_b) = (watch(&a, &id), watch(&b, &id));
        Self { a, b, at_a, at_b, id, path, cells: vec![first], database, runtime }
    }

    /// Asserts that both watchers are told one event, in the same messages, and that both servers then show the same. Which cells turned
    /// stale by it is not among `expected`.
    fn told(&mut self, what: &str, expected: &[&str]) {
        let there = event(&mut self.at_b);
        let mut briefly: Vec<_> = there.iter().map(|message| brief(message)).collect();
        briefly.retain(|message| message != "cell_stale");
        assert_eq!(briefly, expected, "{what}: {there:#?}");
        assert_eq!(event(&mut self.at_a), there, "{what}");
        self.shows_the_same(what);
    }

    /// Asserts that both servers show the same notebook.
    fn shows_the_same(&self, what: &str) {
        let [at_a, at_b] = [&self.a, &self.b].map(|server| {
            let mut shown = server.ok("GET", &self.path, None);
            shown["seq"] = Value::Null;
            shown
        });
        assert_eq!(at_a, at_b, "{what}");
    }

    /// Edits at B.
    fn edit(&self, method: &str, part: &str, body: Option<&Value>) -> Value {
        self.b.ok(method, &format!("{}{part}", self.path), body)
    }

    fn insert(&mut self, what: &str, body: &Value) {
        let cell = self.edit("POST", "/cells", Some(body))["cell_id"].as_str().unwrap().to_owned();
        self.cells.push(cell);
        self.told(what, &["cell_created"]);
    }

    fn update(&mut self, what: &str, cell: usize, code: &str, expected: &[&str]) {
        self.edit("PUT", &format!("/cells/{}", self.cells[cell]), Some(&json!({ "code": code })));
        self.told(what, expected);
    }

    /// Moves a cell behind another one, or to the beginning.
    fn shift(&mut self, what: &str, cell: usize, after: Option<usize>, more: &[&str]) {
        let after = after.map(|cell| &self.cells[cell]);
        self.edit("POST", &format!("/cells/{}/move", self.cells[cell]), Some(&json!({ "after_cell_id": after })));
        self.told(what, &[&["cell_deleted", "cell_created"], more].concat());
    }

    fn retype(&mut self, what: &str, cell: usize, to: &str) {
        self.edit("PUT", &format!("/cells/{}/type", self.cells[cell]), Some(&json!({ "type": to })));
        self.told(what, &["cell_deleted", "cell_created"]);
    }

    fn delete(&mut self, what: &str, cell: usize, more: &[&str]) {
        self.edit("DELETE", &format!("/cells/{}", self.cells[cell]), None);
        self.told(what, &[&["cell_deleted"], more].concat());
    }

    /// Stores results as another program does that has the database too.
    fn store_results(&self, cell: usize, results: Results) {
        let store = PostgresNotebookStore::new(
            DatabaseUrl::parse(self.database.url()).unwrap(),
            quire_storage_postgres::Options::default(),
        );
        let store = Arc::new(store.unwrap());
        self.runtime.block_on(async {
            let program = NotebookService::new(store, Options::default()).unwrap();
            let (user, id) = (UserId::new("local").unwrap(), NotebookId::new(&self.id).unwrap());
            let cell = CellId::new(&self.cells[cell]).unwrap();
            let digest = program.get(&user, &id).await.unwrap().notebook.cells.find(&cell).unwrap().code_digest();
            assert!(program.commit_results(&user, &id, (&cell, &digest), results).await.unwrap());
            program.close().await;
        });
    }
}

#[test]
fn watchers_at_both_servers_are_told_each_edit_in_the_same_messages() {
    let mut pair = Pair::start();
    pair.insert("a Python cell at the end", &json!({"type": "python", "code": "x = 1"}));
    pair.insert("a SQL cell at the end", &json!({"type": "sql", "code": "select {x}"}));
    let first = pair.cells[0].clone();
    pair.insert("a Python cell in between", &json!({"type": "python", "after_cell_id": first}));
    pair.insert("a SQL cell in between", &json!({"type": "sql", "after_cell_id": first}));

    // The cells are, from above: 0, 4, 3, 1, 2.
    pair.update("new code", 0, "import os", &["cell_updated"]);
    pair.update("the same code", 0, "import os", &["cell_updated"]);
    pair.update("half of a cycle", 1, "p = q", &["cell_updated"]);
    pair.update("a cycle", 3, "q = p", &["cell_updated", "cell_status error", "cell_status error"]);
    pair.update("the same cycle", 3, "q = p + 1", &["cell_updated"]);
    pair.update("code that does not parse, on a cycle", 3, "q = = p", &["cell_updated"]);
    pair.update("code that parses again", 3, "q = p", &["cell_updated"]);
    pair.update("no cycle", 3, "q = 1", &["cell_updated", "cell_status idle", "cell_status idle"]);
    pair.update("code that does not parse", 3, "q = (", &["cell_updated"]);
    pair.update("other code that does not parse", 3, "q = [", &["cell_updated"]);

    pair.shift("to the beginning", 3, None, &[]); // 3, 0, 4, 1, 2
    pair.shift("down by one", 3, Some(0), &[]); // 0, 3, 4, 1, 2
    pair.shift("up by one", 3, None, &[]); // 3, 0, 4, 1, 2
    pair.shift("up by one, further below", 1, Some(0), &[]); // 3, 0, 1, 4, 2
    pair.shift("down by one, further below", 1, Some(4), &[]); // 3, 0, 4, 1, 2
    pair.shift("to the end", 3, Some(2), &[]); // 0, 4, 1, 2, 3

    pair.update("again half of a cycle", 1, "p = q", &["cell_updated"]);
    pair.update("again a cycle", 3, "q = p", &["cell_updated", "cell_status error", "cell_status error"]);
    pair.update("another writer below", 2, "select 1", &["cell_updated"]);
    pair.insert("another writer at the end", &json!({"type": "python", "code": "q = 0"}));
    pair.shift("a move that ends a cycle", 5, None, &["cell_status idle", "cell_status idle"]);
    pair.shift("a move that makes a cycle", 5, Some(3), &["cell_status error", "cell_status error"]);

    pair.retype("to SQL", 0, "sql");
    pair.retype("to Python", 2, "python");
    pair.retype("to Python again", 0, "python");

    // Nothing is told of these; the next edit shows it.
    pair.edit("PUT", "/name", Some(&json!({"name": "Prices"})));
    pair.shows_the_same("a name");
    pair.edit("PUT", "/db", Some(&json!({"connection_string": "postgresql://reader@db.example/sales"})));
    pair.shows_the_same("a connection string");
    pair.edit("PUT", "/name", Some(&json!({"name": null})));
    pair.shows_the_same("no name");

    pair.delete("a cell of a cycle", 3, &["cell_status idle"]);
    pair.delete("the first cell", 0, &[]);
    pair.delete("a cell in between", 1, &[]);
    pair.delete("the last cell", 5, &[]);
}

#[test]
fn watchers_at_both_servers_are_told_results_that_another_program_stored() {
    let mut pair = Pair::start();
    pair.update("the code that runs", 0, "print(1); 2", &["cell_updated"]);
    let output = |text: &str| Output {
        mime_type: "text/plain".to_owned(),
        data: Json::parse(&json!(text).to_string()).unwrap(),
        metadata: Json::parse("{}").unwrap(),
    };
    let success = Results {
        status: CellStatus::Success,
        stdout: "1\n".to_owned(),
        outputs: vec![output("2"), output("3")],
        ..Results::default()
    };
    let told = ["cell_status running", "cell_status success", "cell_stdout", "cell_output", "cell_output"];
    pair.store_results(0, success.clone());
    pair.told("success", &told);
    pair.store_results(0, success.clone());
    pair.shows_the_same("equal results"); // nobody was told a part of that run, so nothing is told
    let error = Results { status: CellStatus::Error, error: Some("NameError: y".to_owned()), ..Results::default() };
    pair.store_results(0, error);
    pair.told("an error", &["cell_status running", "cell_status error", "cell_error"]);
    pair.store_results(0, success);
    pair.told("success again", &told);
    pair.update("an edit, which keeps the results", 0, "print(2)", &["cell_updated"]);
    pair.store_results(0, Results::default());
    pair.told("no results", &["cell_status running", "cell_status idle"]);
}

#[test]
fn watchers_at_both_servers_are_told_a_deletion() {
    let mut pair = Pair::start();
    pair.edit("DELETE", "", None);
    let [there, here] = [&mut pair.at_b, &mut pair.at_a].map(|wire| {
        let text = wire.next_text().expect("a message comes");
        (text, wire.close_code())
    });
    assert_eq!(there.1, 1008, "{there:?}");
    assert_eq!(here, there);
    for server in [&pair.a, &pair.b] {
        assert_eq!(server.send("GET", &pair.path, None).0, 404);
    }
}

#[test]
fn resuming_at_another_server_gives_one_resync() {
    let mut pair = Pair::start();
    let seq = pair.a.ok("GET", &pair.path, None)["seq"].clone();
    pair.update("an edit that the watcher misses", 0, "missed = 1", &["cell_updated"]);
    for server in [&pair.b, &pair.a] {
        let mut wire = Wire::connect(server.address(), "any");
        wire.upgrade(&pair.id);
        wire.text(&json!({"type": "authenticate", "token": "any", "resume": seq}));
        assert_eq!(wire.message()["type"], "authenticated");
        let first = wire.message();
        if server.address() == pair.a.address() {
            assert_eq!((&first["type"], &first["cell"]["code"]), (&json!("cell_updated"), &json!("missed = 1")));
            continue;
        }
        assert_eq!((&first["type"], &first["cellId"]), (&json!("resync"), &json!("")));
        // One alone: what follows is the next edit.
        pair.edit("PUT", &format!("/cells/{}", pair.cells[0]), Some(&json!({"code": "heard = 1"})));
        assert_eq!(wire.message()["cell"]["code"], "heard = 1");
    }
}
