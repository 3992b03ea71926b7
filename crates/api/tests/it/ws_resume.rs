//! Coming back: exactly what was missed, or one resync.

use proptest::strategy::{Strategy as _, ValueTree as _};
use quire_domain::{CellId, CellType, Edit, NotebookId, Place, UserId};
use serde_json::{Value, json};

use crate::ws_client::{Client, Listening};

/// Each edit makes one message, two, or, with the cycle, five.
fn edit(n: usize, first: &CellId, second: &CellId) -> Edit {
    match n % 6 {
        0 => Edit::UpdateCell { id: first.clone(), code: format!("x = y # {n}").into() },
        1 => Edit::UpdateCell { id: second.clone(), code: format!("y = x # {n}").into() },
        2 => Edit::MoveCell { id: first.clone(), place: Place::After(second.clone()) },
        3 => Edit::UpdateCell { id: second.clone(), code: format!("y = {n}").into() },
        4 => Edit::MoveCell { id: first.clone(), place: Place::Start },
        _ => Edit::Rename { name: format!("{n}") },
    }
}

async fn come_back(listening: &Listening, notebook: &str, seq: &Value) -> Client {
    let mut client = listening.connect(notebook).await;
    client.say(&json!({"type": "authenticate", "token": "x", "resume": seq})).await;
    assert_eq!(client.hear().await["type"], "authenticated");
    client
}

/// A watcher that is cut off after any message and comes back with its `seq` misses nothing and hears nothing twice.
#[actix_web::test]
async fn a_watcher_cut_off_anywhere_misses_and_repeats_nothing() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let first = CellId::new(listening.server.first_cell(&notebook).await).unwrap();
    let (user, id) = (UserId::new("me").unwrap(), NotebookId::new(notebook.rsplit('/').next().unwrap()).unwrap());
    let second = CellId::new("second").unwrap();
    let service = &listening.server.service;
    let insert =
        Edit::InsertCell { id: second.clone(), cell_type: CellType::Python, code: "".into(), place: Place::End };
    service.edit(&user, &id, None, insert).await.unwrap();
    let start = listening.server.get(&notebook).await.ok()["seq"].clone();
    let mut whole = listening.watch(&notebook).await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cuts = proptest::collection::vec(1..7_usize, 60).new_tree(&mut runner).unwrap().current();
    let (mut position, mut cut, mut last) = (start.clone(), Vec::new(), start);
    for (n, length) in cuts.into_iter().enumerate() {
        let mut watcher = come_back(&listening, &notebook, &position).await;
        let edit = edit(n, &first, &second);
        let is_told = !matches!(edit, Edit::Rename { .. });
        service.edit(&user, &id, None, edit).await.unwrap();
        if is_told {
            last = listening.server.get(&notebook).await.ok()["seq"].clone();
        }
        for _ in 0..length {
            if position == last {
                break;
            }
            let message = watcher.hear_any().await;
            position = message["seq"].clone();
            cut.push(message);
        }
    }
    let mut watcher = come_back(&listening, &notebook, &position).await;
    while position != last {
        let message = watcher.hear_any().await;
        position = message["seq"].clone();
        cut.push(message);
    }
    assert!(cut.len() > 100, "{}", cut.len());
    watcher.is_served().await;
    for (n, message) in cut.iter().enumerate() {
        assert_eq!(whole.hear_any().await, *message, "message {n}");
    }
    whole.is_served().await;
    listening.stop().await;
}

/// "A socket that did not ask is never replayed to."
#[actix_web::test]
async fn nobody_who_did_not_ask_is_told_again() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    listening.server.post(&format!("{notebook}/cells"), r#"{"type": "sql"}"#).await.ok();
    let mut client = listening.connect(&notebook).await;
    client.say(&json!({"type": "authenticate", "token": "x", "resume": null})).await;
    assert_eq!(client.hear().await["type"], "authenticated");
    client.is_served().await;
    listening.watch(&notebook).await;
    listening.stop().await;
}

#[actix_web::test]
async fn reading_and_then_watching_has_no_gap() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let read = listening.server.get(&notebook).await.ok();
    let created = listening.server.post(&format!("{notebook}/cells"), r#"{"type": "sql"}"#).await.ok();
    let mut client = come_back(&listening, &notebook, &read["seq"]).await;
    let heard = client.hear().await;
    assert_eq!((&heard["type"], &heard["cellId"]), (&json!("cell_created"), &created["cell_id"]));
    assert_eq!(heard["seq"], listening.server.get(&notebook).await.ok()["seq"]);
    client.is_served().await;
    listening.stop().await;
}

#[actix_web::test]
async fn a_position_of_elsewhere_gives_one_resync() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let elsewhere = format!("{}-7", "0".repeat(32));
    let seq = listening.server.get(&notebook).await.ok()["seq"].clone();
    let later = format!("{}9", seq.as_str().unwrap());
    for position in ["", "x", "-", &*elsewhere, &*later, &format!("{elsewhere}.1"), &"9".repeat(10_000)] {
        let mut client = come_back(&listening, &notebook, &json!(position)).await;
        assert_eq!(client.hear().await, json!({"type": "resync", "cellId": "", "seq": seq}), "{position}");
        client.is_served().await;
        listening.server.put(&format!("{notebook}/name"), r#"{"name": null}"#).await.ok();
    }
    listening.stop().await;
}
