//! A notebook of one cell, with the history of what clients were told of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use quire_tests::history::{Kind, Operation, check};
use quire_tests::{Client, Reply, Server};
use serde_json::{Value, json};

/// The name of the one cell in the history.
const CELL: &str = "0";

/// The notebook, for clients that record what they are told.
pub(super) struct Recorded {
    path: String,
    cell: String,
    clock: AtomicU64,
    history: Mutex<Vec<Operation>>,
}

impl Recorded {
    /// Creates a notebook at this server.
    pub(super) fn create(server: &Server) -> Self {
        let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
        let path = format!("/api/notebooks/{id}");
        let cell = server.ok("GET", &path, None)["cells"][0]["id"].as_str().unwrap().to_owned();
        Self { cell: format!("{path}/cells/{cell}"), path, clock: AtomicU64::new(0), history: Mutex::default() }
    }

    /// Returns the present moment.
    pub(super) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn note(&self, begun: u64, revision: &Value, kind: Kind) {
        let (ended, revision) = (self.tick(), revision.as_i64().unwrap());
        self.history.lock().unwrap().push(Operation { begun, ended, life: String::new(), revision, kind });
    }

    /// Reads the notebook, which must not be marked stale, and returns its revision.
    pub(super) fn read(&self, client: &Client) -> Value {
        let begun = self.tick();
        let reply = client.send("GET", &self.path, &[], None).unwrap();
        assert_eq!((reply.status, reply.body.get("stale")), (200, None), "{reply:?}");
        let code = reply.body["cells"][0]["code"].as_str().unwrap().to_owned();
        let revision = reply.body["revision"].clone();
        self.note(begun, &revision, Kind::Read { cells: BTreeMap::from([(CELL.to_owned(), code)]) });
        revision
    }

    /// Sends a write, expecting this revision unless it is null. Notes it if it is accepted; it was begun then, or now.
    pub(super) fn write(
        &self,
        client: &Client,
        headers: &[(&str, &str)],
        (value, expected): (&str, &Value),
        begun: Option<u64>,
    ) -> Reply {
        let mut body = json!({ "code": value });
        if !expected.is_null() {
            body["expected_revision"] = expected.clone();
        }
        let begun = begun.unwrap_or_else(|| self.tick());
        let reply = client.send("PUT", &self.cell, headers, Some(&body)).unwrap();
        if reply.status == 200 {
            self.note(begun, &reply.body["revision"], Kind::Write { cell: CELL.to_owned(), value: value.to_owned() });
        }
        reply
    }

    /// Checks the history and returns the number of its operations.
    pub(super) fn check(&self) -> usize {
        let history = self.history.lock().unwrap();
        let start = BTreeMap::from([(CELL.to_owned(), String::new())]);
        check(&start, &history).unwrap_or_else(|error| panic!("{error}"));
        history.len()
    }
}
