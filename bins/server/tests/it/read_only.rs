//! Tests of a read-only server.

use quire_test_postgres::Database;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::support::{Server, quire_server};

#[test]
fn every_change_is_answered_with_503_and_its_reason_and_reads_go_on() {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::fresh());
    let start = |variables: &[(&str, &str)]| {
        let mut command = quire_server();
        Server::spawn(command.env("DATABASE_URL", database.url()).args(["--port", "0"]).envs(variables.to_vec()))
    };
    let writing = start(&[]);
    let list = writing.get("/api/notebooks");
    let reading = start(&[("QUIRE_READ_ONLY", "true")]);
    assert!(reading.log.iter().any(|line| line["message"].as_str().unwrap().starts_with("read-only: ")));
    assert_eq!(reading.get("/api/notebooks"), list);
    assert_eq!(reading.get("/health"), json!({"status": "degraded", "database": "connected"}));
    let cell = format!("/api/notebooks/blank/cells/{}", reading.first_cell("/api/notebooks/blank"));
    let body = |body: &str| format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for (route, rest) in [
        ("POST /api/notebooks", body("{}")),
        ("PUT /api/notebooks/blank/name", body(r#"{"name": "x"}"#)),
        ("PUT /api/notebooks/blank/db", body(r#"{"connection_string": ""}"#)),
        ("DELETE /api/notebooks/demo", "\r\n".to_owned()),
        ("POST /api/notebooks/blank/cells", body(r#"{"type": "sql"}"#)),
        (&format!("PUT {cell}"), body(r#"{"code": "x"}"#)),
        (&format!("DELETE {cell}"), "\r\n".to_owned()),
    ] {
        let reply = reading.ask(&format!("{route} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}"));
        let problem = reply.problem();
        assert_eq!((reply.status, &problem["code"]), (503, &json!("read_only")), "{route}: {problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with("The server is read-only while"), "{problem}");
        assert_eq!(reply.header("retry-after"), Some("60"));
    }
    assert_eq!(writing.get("/api/notebooks"), list);
    // A server that may write continues beside it.
    assert_eq!(writing.put(&cell, &json!({"code": "x = 1"}))["revision"], 1);
}
