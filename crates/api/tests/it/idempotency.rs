//! `Idempotency-Key`: what is sent again has its effect once.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::support::{Reply, Server, send, to, with_json};

fn keyed(method: &str, path: &str, body: &str, key: &str) -> TestRequest {
    let request = match method {
        "POST" => TestRequest::post(),
        "PUT" => TestRequest::put(),
        _ => TestRequest::delete(),
    };
    let request = if body.is_empty() { to(request, path) } else { with_json(request, path, body) };
    request.insert_header(("Idempotency-Key", key))
}

fn is_replay(reply: &Reply) -> bool {
    reply.header("idempotency-replayed").is_some_and(|value| value == "true")
}

/// Sends a request twice; returns the one answer.
async fn twice(server: &Server, request: impl Fn() -> TestRequest) -> Value {
    let first = server.send(request()).await;
    let again = server.send(request()).await;
    assert_eq!((is_replay(&first), is_replay(&again)), (false, true), "{first:?} {again:?}");
    assert_eq!(first.ok(), again.ok());
    first.json()
}

async fn ids(server: &Server) -> Vec<String> {
    let all = server.get("/api/notebooks").await.ok();
    all["notebooks"].as_array().unwrap().iter().map(|notebook| notebook["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn every_route_that_changes_something_takes_a_key() {
    let server = Server::start();
    let send = |method: &'static str, path: String, body: Value| {
        let server = &server;
        async move {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            twice(server, || keyed(method, &path, &body, "k-1")).await
        }
    };
    let made = send("POST", "/api/notebooks".into(), Value::Null).await;
    let path = format!("/api/notebooks/{}", made["notebook_id"].as_str().unwrap());
    let first = server.first_cell(&path).await;
    let cells = format!("{path}/cells");
    let made = send("POST", cells.clone(), json!({"type": "python", "code": "x = 1"})).await;
    let cell = format!("{cells}/{}", made["cell_id"].as_str().unwrap());
    assert_eq!(send("PUT", cell.clone(), json!({"code": "x = 2"})).await["revision"], 2);
    assert_eq!(send("PUT", format!("{cell}/type"), json!({"type": "sql"})).await["revision"], 3);
    assert_eq!(send("POST", format!("{cell}/move"), json!({"after_cell_id": null})).await["revision"], 4);
    assert_eq!(send("DELETE", format!("{cells}/{first}"), Value::Null).await["revision"], 5);
    assert_eq!(send("PUT", format!("{path}/name"), json!({"name": "named"})).await["name"], "named");
    send("PUT", format!("{path}/db"), json!({"connection_string": "postgres://db"})).await;
    send("PUT", format!("{path}/reactive"), json!({"reactive": false})).await;
    let copy = send("POST", format!("{path}/duplicate"), Value::Null).await;
    assert_eq!(copy["name"], "named (copy)");
    assert_eq!(server.get(&path).await.ok()["revision"], 8);
    send("DELETE", path, Value::Null).await;
    let mut left = ids(&server).await;
    left.retain(|id| !id.ends_with("-me"));
    assert_eq!(left, [copy["notebook_id"].as_str().unwrap()]);
}

/// One key may be used for other routes and other users; with another request on the same route it is refused.
#[actix_web::test]
async fn a_key_belongs_to_user_method_and_path_and_to_one_wish() {
    let server = Server::start();
    let (path, other) = (server.notebook().await, server.notebook().await);
    let (cell, others) = (server.first_cell(&path).await, server.first_cell(&other).await);
    let code = r#"{"code": "1"}"#;
    let put = |path: &str, cell: &str, body: &str| keyed("PUT", &format!("{path}/cells/{cell}"), body, "one key");
    assert_eq!(server.send(put(&path, &cell, code)).await.ok()["revision"], 1);
    assert_eq!(server.send(put(&other, &others, code)).await.ok()["revision"], 1);
    let stranger = server.as_user("stranger");
    let foreign = send(&stranger, put(&path, &cell, code)).await;
    foreign.problem(403, "foreign_notebook");

    for reused in [r#"{"code": "2"}"#, r#"{"code":"1"}"#, r#"{"code": "1", "expected_revision": 0}"#] {
        let reply = server.send(put(&path, &cell, reused)).await;
        reply.problem(422, "key_reused");
        assert!(!is_replay(&reply));
    }
    let etag = server.get(&path).await.header("etag").unwrap().to_owned();
    server.send(put(&path, &cell, code).insert_header(("If-Match", etag))).await.problem(422, "key_reused");
    let reply = server.send(put(&path, &cell, code)).await;
    assert_eq!((reply.ok()["revision"].clone(), is_replay(&reply)), (json!(1), true));
}

/// The notebook is not any more as the first one's precondition said; that it was is why.
#[actix_web::test]
async fn a_repetition_does_not_meet_its_own_precondition() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    let etag = server.get(&path).await.header("etag").unwrap().to_owned();
    let by_header = || keyed("PUT", &cell, r#"{"code": "1"}"#, "a").insert_header(("If-Match", etag.clone()));
    assert_eq!(twice(&server, by_header).await["revision"], 1);
    let in_body = || keyed("PUT", &cell, r#"{"code": "2", "expected_revision": 1}"#, "b");
    assert_eq!(twice(&server, in_body).await["revision"], 2);
    assert_eq!(twice(&server, || keyed("DELETE", &cell, "", "c")).await["revision"], 3);
    server.send(keyed("DELETE", &cell, "", "d")).await.problem(404, "unknown_cell");
}

#[actix_web::test]
async fn what_was_refused_may_be_sent_again_with_its_key() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    server
        .send(keyed("PUT", &cell, r#"{"code": "1", "expected_revision": 1}"#, "k"))
        .await
        .problem(409, "revision_conflict");
    server.put(&cell, r#"{"code": "other"}"#).await.ok();
    let reply = server.send(keyed("PUT", &cell, r#"{"code": "1", "expected_revision": 1}"#, "k")).await;
    assert_eq!((reply.ok()["revision"].clone(), is_replay(&reply)), (json!(2), false));
}

#[actix_web::test]
async fn bad_keys_are_400_and_change_nothing() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    let put = |key: &str| keyed("PUT", &cell, r#"{"code": "1"}"#, key);
    for bad in ["", "é", "a\tb", &"k".repeat(129)] {
        let problem = server.send(put(bad)).await.problem(400, "bad_request");
        assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"), "{problem}");
    }
    let two = put("a").append_header(("Idempotency-Key", "b"));
    server.send(two).await.problem(400, "bad_request");
    assert_eq!(server.get(&path).await.ok()["revision"], 0);
    // It means nothing to who only reads.
    server.send(to(TestRequest::get(), &path).insert_header(("Idempotency-Key", ""))).await.ok();
    server.send(put(&"~".repeat(128))).await.ok();
}

/// The answer may have been lost because it took too long.
#[actix_web::test]
async fn an_edit_that_took_too_long_is_answered_when_it_is_sent_again() {
    let mut server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    let put = || keyed("PUT", &cell, r#"{"code": "1", "expected_revision": 0}"#, "k");
    let patient = server.settings.request_timeout;
    server.settings.request_timeout = std::time::Duration::ZERO;
    server.send(put()).await.problem(503, "outcome_unknown");
    server.settings.request_timeout = patient;
    assert_eq!(server.send(put()).await.ok()["revision"], 1);
    let reply = server.send(put()).await;
    assert_eq!((reply.ok()["revision"].clone(), is_replay(&reply)), (json!(1), true));
}
