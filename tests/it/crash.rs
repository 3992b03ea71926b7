//! Tests that acknowledged saves survive a server that is killed while clients save.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use quire_tests::Server;
use rustix::process::Signal;
use serde_json::json;

/// Number of kills of the whole server; the store's own tests kill the store alone far more often.
const KILLS: u64 = 20;
const CLIENTS: u64 = 4;

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path());
    let notebook = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    // For each client's cell: the last value that was acknowledged, and the last that was sent.
    let cells: Vec<String> = (0..CLIENTS)
        .map(|_| {
            let cell = server.ok("POST", &format!("/api/notebooks/{notebook}/cells"), Some(&json!({"type": "python"})));
            cell["cell_id"].as_str().unwrap().to_owned()
        })
        .collect();
    server.kill();
    let acknowledged: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
    let sent: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
    let highest_revision = Mutex::new(0);

    for round in 0..KILLS {
        let server = Arc::new(Server::on(dir.path()));
        let before: u64 = acknowledged.iter().map(|value| value.load(Ordering::SeqCst)).sum();
        std::thread::scope(|scope| {
            let clients = cells.iter().zip(&acknowledged).zip(&sent).map(|((cell, acknowledged), sent)| {
                let (server, highest_revision) = (Arc::clone(&server), &highest_revision);
                let path = format!("/api/notebooks/{notebook}/cells/{cell}");
                scope.spawn(move || {
                    loop {
                        let value = sent.fetch_add(1, Ordering::SeqCst) + 1;
                        let body = json!({"code": format!("value = {value}")});
                        let Some((status, answer)) = server.try_send("PUT", &path, Some(&body)) else { return };
                        assert_eq!(status, 200, "{answer}");
                        acknowledged.store(value, Ordering::SeqCst);
                        let mut highest = highest_revision.lock().unwrap();
                        *highest = answer["revision"].as_i64().unwrap().max(*highest);
                    }
                })
            });
            let clients: Vec<_> = clients.collect();
            // The moment of the kill differs from round to round, from "just saving" to "some hundred saves on".
            while acknowledged.iter().map(|value| value.load(Ordering::SeqCst)).sum::<u64>() < before + 10 {
                let ended = clients.iter().all(ScopedJoinHandle::is_finished);
                assert!(!ended, "round {round}: the server stopped answering before it was killed");
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_micros(round * 1_733 % 20_000));
            server.signal(Signal::KILL);
        });
        // Waits for the end of the process, because the next server is refused while this one runs.
        Arc::into_inner(server).unwrap().kill();

        let server = Server::on(dir.path());
        let found = server.ok("GET", &format!("/api/notebooks/{notebook}"), None);
        assert!(found["revision"].as_i64().unwrap() >= *highest_revision.lock().unwrap());
        for (n, cell) in cells.iter().enumerate() {
            let code = found["cells"].as_array().unwrap().iter().find(|c| c["id"] == **cell).unwrap()["code"].clone();
            let value: u64 = code.as_str().unwrap().strip_prefix("value = ").map_or(0, |value| value.parse().unwrap());
            let range = acknowledged[n].load(Ordering::SeqCst)..=sent[n].load(Ordering::SeqCst);
            assert!(range.contains(&value), "round {round}: {value} is not in {range:?}");
        }
        server.kill();
    }
}
