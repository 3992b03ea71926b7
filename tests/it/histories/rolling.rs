//! Histories while servers behind a balancer are replaced one after the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use quire_tests::neighbour::Wire;
use quire_tests::{Balancer, Client, Server};
use serde_json::{Value, json};

use super::load::{Load, until};
use super::{UNLIMITED, fresh_database};

const WATCHERS: usize = 4;
/// The last edit that watchers hear.
const LAST: &str = "value = 'the last one'";
/// The code with which a server that stops ends its sockets.
const RESTART: u16 = 1012;

/// Watches a notebook until it hears the last edit, and resumes at whichever server it is led to.
fn watch(balancer: &Balancer, notebook: &str, watching: &AtomicUsize, resumed: &AtomicUsize) {
    let mut seen = Value::Null;
    loop {
        let mut wire = Wire::connect(balancer.address(), "any");
        wire.upgrade(notebook);
        wire.text(&json!({"type": "authenticate", "token": "any", "resume": seen}));
        assert_eq!(wire.message()["type"], "authenticated");
        if seen.is_null() {
            // Answered when it watches.
            wire.text(&Value::Null);
            assert_eq!(wire.message()["type"], "error");
        } else {
            let first = wire.message();
            assert_eq!(first["type"], "resync", "another server knows none of the events: {first}");
            seen = first["seq"].clone();
            resumed.fetch_add(1, Ordering::SeqCst);
        }
        watching.fetch_add(1, Ordering::SeqCst);
        loop {
            match wire.hear().map(|text| serde_json::from_str::<Value>(&text).unwrap()) {
                Ok(message) if message["cell"]["code"] == LAST => return,
                Ok(message) => seen = message["seq"].clone(),
                Err(code) => {
                    assert_eq!(code, RESTART);
                    watching.fetch_sub(1, Ordering::SeqCst);
                    break;
                }
            }
        }
    }
}

#[test]
fn a_rolling_restart_under_load_loses_nothing_and_refuses_only_with_503() {
    let (_runtime, database) = fresh_database();
    let start = || Server::on_database_with(database.url(), UNLIMITED);
    let mut servers = vec![start(), start()];
    let balancer = Balancer::start();
    let lead_to = |servers: &[Server]| balancer.lead_to(&servers.iter().map(Server::address).collect::<Vec<_>>());
    lead_to(&servers);
    let load = Load::new(vec![Client::without_keep_alive(balancer.address())], 1_500);
    let notebook = load.lasting().rsplit('/').next().unwrap().to_owned();
    let (watching, resumed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..WATCHERS {
            scope.spawn(|| watch(&balancer, &notebook, &watching, &resumed));
        }
        let all_watch = || until("all watchers watch", || watching.load(Ordering::SeqCst) == WATCHERS);
        all_watch();
        load.run(|load| {
            for _ in 0..4 {
                load.wait_for(100);
                let oldest = servers.remove(0);
                lead_to(&servers);
                assert!(oldest.terminate(), "the server ends well");
                servers.push(start());
                lead_to(&servers);
                all_watch();
            }
            load.wait_for(100);
        });
        all_watch();
        let client = Client::of(balancer.address());
        let cell = client.send("GET", load.lasting(), &[], None).unwrap().body["cells"][0]["id"].clone();
        let path = format!("{}/cells/{}", load.lasting(), cell.as_str().unwrap());
        assert_eq!(client.send("PUT", &path, &[], Some(&json!({ "code": LAST }))).unwrap().status, 200);
    });
    assert_eq!(load.unanswered(), 0, "each request was answered");
    assert!(resumed.into_inner() >= WATCHERS * 2, "each watcher was led from server to server");
}
