use std::time::Duration;

use serde_json::json;

use crate::support::Server;

/// A notebook whose opening takes many times the shortest time-out there is.
fn large() -> Server {
    let cells: Vec<_> = (0..10_000)
        .map(|i| json!({"id": format!("c{i}"), "type": "python", "code": format!("x{i} = x{}", i + 1), "reads": [], "writes": []}))
        .collect();
    let file = json!({"id": "n", "user_id": "me", "name": "n", "db_conn_string": null, "revision": 0, "cells": cells});
    let mut server = Server::over(&[("n.json", &file.to_string())]);
    server.settings.request_timeout = Duration::ZERO;
    server
}

#[actix_web::test]
async fn reading_that_takes_too_long_is_503_and_may_be_repeated() {
    let server = large();
    let reply = server.get("/api/notebooks/n").await;
    reply.problem(503, "took_too_long");
    assert_eq!(reply.header("retry-after"), Some("5"));
}

#[actix_web::test]
async fn a_change_that_takes_too_long_may_have_happened() {
    let server = large();
    let reply = server.put("/api/notebooks/n/cells/c1", r#"{"code": ""}"#).await;
    reply.problem(503, "outcome_unknown");
    assert!(reply.detail().contains("may still happen"));
}
