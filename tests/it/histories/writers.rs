//! Many writers on one notebook.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use quire_tests::history::{Kind, Operation, check};
use quire_tests::{Client, Server};
use serde_json::{Value, json};

use super::{UNLIMITED, fresh_database};

const WRITERS: usize = 64;
const EDITS: usize = 3;

/// What all writers share.
struct Shared {
    clients: Vec<Client>,
    path: String,
    cell: String,
    clock: AtomicU64,
    history: Mutex<Vec<Operation>>,
    conflicts: AtomicUsize,
    refused: AtomicUsize,
}

impl Shared {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn note(&self, begun: u64, revision: &Value, kind: Kind) {
        let (ended, revision) = (self.tick(), revision.as_i64().unwrap());
        self.history.lock().unwrap().push(Operation { begun, ended, life: String::new(), revision, kind });
    }

    fn read(&self, client: &Client) -> Value {
        let begun = self.tick();
        let reply = client.send("GET", &self.path, &[], None).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        let code = reply.body["cells"][0]["code"].as_str().unwrap().to_owned();
        let revision = reply.body["revision"].clone();
        self.note(begun, &revision, Kind::Read { cells: BTreeMap::from([("0".to_owned(), code)]) });
        revision
    }

    /// Makes a writer's edits, each until it is accepted. Every other writer says which revision it expects.
    fn write(&self, writer: usize) {
        let client = &self.clients[writer % self.clients.len()];
        for edit in 0..EDITS {
            let value = format!("value = '{edit} of {writer}'");
            let mut expected = if (writer / 2).is_multiple_of(2) { self.read(client) } else { Value::Null };
            loop {
                let mut body = json!({ "code": value });
                if !expected.is_null() {
                    body["expected_revision"] = expected.clone();
                }
                let begun = self.tick();
                let reply = client.send("PUT", &self.cell, &[], Some(&body)).unwrap();
                match reply.status {
                    200 => {
                        self.note(begun, &reply.body["revision"], Kind::Write { cell: "0".to_owned(), value });
                        break;
                    }
                    409 => {
                        self.conflicts.fetch_add(1, Ordering::SeqCst);
                        expected = reply.body["current_revision"].clone();
                    }
                    503 => {
                        assert_ne!(reply.body["code"], "outcome_unknown");
                        self.refused.fetch_add(1, Ordering::SeqCst);
                        let seconds = reply.retry_after.expect("it is told when to retry").parse().unwrap();
                        std::thread::sleep(Duration::from_secs(seconds));
                    }
                    _ => panic!("{reply:?}"),
                }
            }
        }
    }
}

#[test]
fn sixty_four_writers_at_two_servers_on_one_notebook_lose_nothing() {
    let (_runtime, database) = fresh_database();
    let servers = [(); 2].map(|()| Server::on_database_with(database.url(), UNLIMITED));
    let id = servers[0].ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let path = format!("/api/notebooks/{id}");
    let cell = servers[0].ok("GET", &path, None)["cells"][0]["id"].as_str().unwrap().to_owned();
    let shared = Shared {
        clients: servers.iter().map(|server| server.client().clone()).collect(),
        cell: format!("{path}/cells/{cell}"),
        path,
        clock: AtomicU64::new(0),
        history: Mutex::default(),
        conflicts: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let shared = &shared;
            scope.spawn(move || shared.write(writer));
        }
    });
    for client in &shared.clients {
        assert_eq!(shared.read(client), WRITERS * EDITS);
    }
    let history = shared.history.into_inner().unwrap();
    let start = BTreeMap::from([("0".to_owned(), String::new())]);
    check(&start, &history).unwrap_or_else(|error| panic!("{error}"));
    println!("{} operations, {:?} conflicts, {:?} refused", history.len(), shared.conflicts, shared.refused);
}
