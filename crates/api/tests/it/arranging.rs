//! Moving, changing the type, creating with code, copying, and the graph.

use std::time::{Duration, Instant};

use quire_domain::{CellType, NotebookId, Place, SecretKey, UserId};
use serde_json::{Value, json};

use crate::support::{Server, get, send};

async fn insert(server: &Server, path: &str, code: &str) -> String {
    let body = json!({"type": "python", "code": code}).to_string();
    server.post(&format!("{path}/cells"), &body).await.ok()["cell_id"].as_str().unwrap().to_owned()
}

fn codes(notebook: &Value) -> Vec<&str> {
    notebook["cells"].as_array().unwrap().iter().map(|cell| cell["code"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_cell_is_made_with_its_code() {
    let server = Server::start();
    let path = server.notebook().await;
    insert(&server, &path, "y = x\r\n").await;
    let cell = server.get(&path).await.ok()["cells"][1].clone();
    assert_eq!((&cell["code"], &cell["writes"]), (&json!("y = x\r\n"), &json!(["y"])));
    let cells = format!("{path}/cells");
    server.post(&cells, r#"{"type": "sql", "code": null}"#).await.ok();
    server.post(&cells, r#"{"type": "sql", "code": 1}"#).await.problem(422, "does_not_fit");
    let long = json!({"type": "python", "code": "x".repeat(256 * 1024 + 1)}).to_string();
    server.post(&cells, &long).await.problem(413, "too_large");
    let stale = json!({"type": "python", "expected_revision": 0}).to_string();
    server.post(&cells, &stale).await.problem(409, "revision_conflict");
    assert_eq!(codes(&server.get(&path).await.ok()), ["", "y = x\r\n", ""]);
}

#[actix_web::test]
async fn a_cell_is_moved_behind_another_or_to_the_top() {
    let server = Server::start();
    let path = server.notebook().await;
    let (a, b) = (insert(&server, &path, "a").await, insert(&server, &path, "b").await);
    let moved = format!("{path}/cells/{b}/move");
    assert_eq!(server.post(&moved, r#"{"after_cell_id": null}"#).await.ok(), json!({"status": "ok", "revision": 3}));
    assert_eq!(codes(&server.get(&path).await.ok()), ["b", "", "a"]);
    server.post(&moved, &json!({ "after_cell_id": a }).to_string()).await.ok();
    assert_eq!(codes(&server.get(&path).await.ok()), ["", "a", "b"]);
    // It is there already.
    assert_eq!(server.post(&moved, &json!({ "after_cell_id": a }).to_string()).await.ok()["revision"], 4);
    server.post(&moved, r#"{"after_cell_id": "none"}"#).await.problem(404, "unknown_cell");
    server.post(&moved, "{}").await.problem(422, "does_not_fit");
    let unknown = format!("{path}/cells/none/move");
    server.post(&unknown, r#"{"after_cell_id": null}"#).await.problem(404, "unknown_cell");
}

#[actix_web::test]
async fn a_cell_changes_its_type() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}/type", insert(&server, &path, "SELECT 1").await);
    assert_eq!(server.put(&cell, r#"{"type": "sql"}"#).await.ok(), json!({"status": "ok", "revision": 2}));
    let shown = server.get(&path).await.ok()["cells"][1].clone();
    assert_eq!((&shown["type"], &shown["code"]), (&json!("sql"), &json!("SELECT 1")));
    assert_eq!(server.put(&cell, r#"{"type": "sql"}"#).await.ok()["revision"], 2);
    server.put(&cell, r#"{"type": "markdown"}"#).await.problem(422, "does_not_fit");
}

#[actix_web::test]
async fn a_copy_has_everything_and_is_its_own() {
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    assert!(SecretKey::parse(key).is_ok());
    let server = Server::with_key(Some(key), &[]);
    let path = server.notebook().await;
    insert(&server, &path, "x = 1").await;
    server.put(&format!("{path}/name"), r#"{"name": "Sales"}"#).await.ok();
    let secret = "postgresql://ann:hunter2@db.example/sales";
    server.put(&format!("{path}/db"), &json!({ "connection_string": secret }).to_string()).await.ok();
    let original = server.get(&path).await.ok();
    for name in ["Sales (copy)", "Sales (copy 2)"] {
        let made = server.post(&format!("{path}/duplicate"), "").await.ok();
        assert_eq!((&made["name"], &made["has_connection"]), (&json!(name), &json!(true)));
        let id = made["notebook_id"].as_str().unwrap();
        let copy = server.get(&format!("/api/notebooks/{id}")).await.ok();
        assert_eq!((&copy["name"], &copy["revision"]), (&json!(name), &json!(0)));
        assert_eq!(codes(&copy), codes(&original));
        assert_eq!(copy["db_conn_string"], original["db_conn_string"]);
        // Sealed for the copy: it opens there, and what is stored is not what is stored of the original.
        let published = server.service.get(&UserId::new("me").unwrap(), &NotebookId::new(id).unwrap()).await.unwrap();
        assert_eq!(server.service.connection(&published).unwrap().unwrap().expose(), secret);
        assert!(published.notebook.connection.as_ref().unwrap().is_sealed());
    }
    server.put(&format!("{path}/cells/{}", server.first_cell(&path).await), r#"{"code": "only here"}"#).await.ok();
    assert_eq!(server.get("/api/notebooks").await.ok()["notebooks"].as_array().unwrap().len(), 5);
    send(&server.as_user("stranger"), get(&path)).await.problem(403, "foreign_notebook");
    let demo = server.post("/api/notebooks/demo/duplicate", "").await.ok();
    assert_eq!(demo["name"], "demo-me (copy)");
}

#[actix_web::test]
async fn a_copy_of_what_cannot_be_opened_says_that_the_connection_is_missing() {
    let sealed = "q1.00000000.AAAA";
    let file = format!(
        r#"{{"id": "old", "user_id": "me", "name": "Old", "db_conn_string": "{sealed}", "revision": 7, "cells": []}}"#
    );
    let server = Server::over(&[("old.json", &file)]);
    let made = server.post("/api/notebooks/old/duplicate", "").await.ok();
    assert_eq!(made["has_connection"], false);
    let copy = server.get(&format!("/api/notebooks/{}", made["notebook_id"].as_str().unwrap())).await.ok();
    assert_eq!((&copy["db_conn_string"], &copy["cells"]), (&json!(null), &json!([])));
}

#[actix_web::test]
async fn the_graph_has_nodes_edges_cycles_and_diagnostics() {
    let server = Server::start();
    let path = server.notebook().await;
    let empty = server.first_cell(&path).await;
    let mut ids = Vec::new();
    for code in ["print(late)", "late = 1", "x = 1", "x = x + 1", "a = b", "b = a", "def f(): return late", "y = ("] {
        ids.push(insert(&server, &path, code).await);
    }
    let graph = server.get(&format!("{path}/graph")).await.ok();
    assert_eq!(graph["revision"], 8);
    let nodes = graph["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), &nodes[0]["cell_id"]), (9, &json!(empty)));
    assert_eq!((&nodes[4]["reads"], &nodes[4]["writes"]), (&json!(["x"]), &json!(["x"])));
    let edge = |from: usize, to: usize, name: &str, kind: &str| json!({"from": ids[from], "to": ids[to], "name": name, "names": [name], "kind": kind});
    let expected = json!([
        edge(1, 0, "late", "eager"),
        edge(2, 3, "x", "eager"),
        edge(5, 4, "b", "eager"),
        edge(4, 5, "a", "eager"),
        edge(1, 6, "late", "deferred"),
    ]);
    assert_eq!(graph["edges"], expected);
    let [cycle] = graph["cycles"].as_array().unwrap().as_slice() else { panic!("{graph}") };
    assert_eq!(cycle["cell_ids"], json!([ids[4], ids[5]]));
    assert_eq!(cycle["path"].as_array().unwrap().len(), 2);
    assert!(cycle["detail"].as_str().unwrap().starts_with("Circular dependency: "), "{cycle}");
    let diagnostics = graph["diagnostics"].as_array().unwrap();
    let kinds: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["syntax", "defined_later", "defined_later", "multiple_definition"]);
    assert_eq!((&diagnostics[0]["cell_id"], &diagnostics[0]["line"]), (&json!(ids[7]), &json!(1)));
    assert_eq!(
        diagnostics[1],
        json!({"kind": "defined_later", "cell_id": ids[0], "name": "late", "names": ["late"], "writer_id": ids[1]})
    );
    let several = json!({"kind": "multiple_definition", "name": "x", "cell_ids": [ids[2], ids[3]]});
    assert_eq!(diagnostics[3], several);
    send(&server.as_user("stranger"), get(&format!("{path}/graph"))).await.problem(403, "foreign_notebook");
}

/// All names that a cell reads of another are in one edge, so that ids are not repeated for each name.
#[actix_web::test]
async fn a_graph_of_many_names_between_few_cells_stays_small() {
    let server = Server::start();
    let path = server.notebook().await;
    let names: Vec<_> = (0..2_000).map(|name| format!("n{name}")).collect();
    insert(&server, &path, &(names.join(" = 1\n") + " = 1")).await;
    for _ in 0..10 {
        insert(&server, &path, &names.join("\n")).await;
    }
    let reply = server.get(&format!("{path}/graph")).await;
    let edges = reply.ok()["edges"].as_array().unwrap().clone();
    assert_eq!(edges.len(), 10);
    assert_eq!(edges[0]["names"].as_array().unwrap().len(), 2_000);
    // Each name that is read stands in the node and in one edge.
    let read: usize = names.iter().map(|name| name.len() + 3).sum::<usize>() * 11;
    assert!(reply.body.len() < 2 * read + 11 * 400, "{} for {read}", reply.body.len());
}

/// Many cells that write one name are told once, not for each pair.
#[actix_web::test]
async fn a_graph_of_many_writers_stays_small() {
    let server = Server::start();
    let path = server.notebook().await;
    let user = UserId::new("me").unwrap();
    let id = NotebookId::new(path.rsplit('/').next().unwrap()).unwrap();
    let insert = |_| server.service.insert_cell(&user, &id, None, (CellType::Python, "x = x + 1".into()), Place::End);
    for outcome in futures_util::future::join_all((0..2_000).map(insert)).await {
        outcome.unwrap();
    }
    let started = Instant::now();
    let reply = server.get(&format!("{path}/graph")).await;
    assert_eq!(reply.ok()["edges"].as_array().unwrap().len(), 2_000 - 1);
    assert!(reply.body.len() < 1_000_000, "{}", reply.body.len());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
