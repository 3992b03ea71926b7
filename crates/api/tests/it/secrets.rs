//! The API holds what it has answered, connection strings included, and must neither show nor keep them.

use actix_web::test::TestRequest;
use quire_domain::{NotebookId, UserId};

use crate::support::{Server, get, send, to};

#[actix_web::test]
async fn debugging_the_api_shows_no_connection_string() {
    let server = Server::start();
    let path = server.notebook().await;
    server.put(&format!("{path}/db"), r#"{"connection_string": "postgres://u:hunter2@h/d"}"#).await.ok();
    let api = server.api();
    let answer = send(&api, get(&path)).await.ok();
    assert!(answer["db_conn_string"].as_str().unwrap().contains("hunter2"));
    for shown in [format!("{api:?}"), format!("{api:#?}")] {
        assert!(shown.contains("answers: 1") && !shown.contains("hunter2"), "{shown}");
    }
}

#[actix_web::test]
async fn what_was_answered_of_a_deleted_notebook_is_not_kept() {
    let server = Server::start();
    let api = server.api();
    let (one, other) = (server.notebook().await, server.notebook().await);
    send(&api, get(&one)).await.ok();
    send(&api, to(TestRequest::delete(), &one)).await.ok();
    assert!(format!("{api:?}").contains("answers: 0"));

    // Deleted by another way than this API, so that only answering about others can tell.
    send(&api, get(&other)).await.ok();
    let id = NotebookId::new(other.rsplit('/').next().unwrap()).unwrap();
    server.service.delete(&UserId::new("me").unwrap(), &id).await.unwrap();
    for _ in 0..100 {
        send(&api, get(&server.notebook().await)).await.ok();
    }
    let shown = format!("{api:?}");
    assert!(shown.contains("answers: 100"), "{shown}");
}
