//! Many writers on one notebook.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quire_tests::{Client, Server};
use serde_json::Value;

use super::recorded::Recorded;
use super::{UNLIMITED, fresh_database};

const WRITERS: usize = 64;
const EDITS: usize = 3;

/// What all writers share.
struct Shared {
    clients: Vec<Client>,
    notebook: Recorded,
    conflicts: AtomicUsize,
    refused: AtomicUsize,
}

impl Shared {
    /// Makes a writer's edits, each until it is accepted. Every other writer says which revision it expects.
    fn write(&self, writer: usize) {
        let client = &self.clients[writer % self.clients.len()];
        for edit in 0..EDITS {
            let value = format!("value = '{edit} of {writer}'");
            let mut expected = if (writer / 2).is_multiple_of(2) { self.notebook.read(client) } else { Value::Null };
            loop {
                let reply = self.notebook.write(client, &[], (&value, &expected), None);
                match reply.status {
                    200 => break,
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
    let shared = Shared {
        clients: servers.iter().map(|server| server.client().clone()).collect(),
        notebook: Recorded::create(&servers[0]),
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
        assert_eq!(shared.notebook.read(client), WRITERS * EDITS);
    }
    let operations = shared.notebook.check();
    println!("{operations} operations, {:?} conflicts, {:?} refused", shared.conflicts, shared.refused);
}
