//! Signing in within the socket, line by line of the contract.

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::support::{Server, get};
use crate::ws_client::{Client, Listening};

/// "Bad first frame, missing or bad token, silence: `{type: "error", message}` and close 1008."
#[actix_web::test]
async fn whoever_does_not_sign_in_first_is_sent_away() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    for first in [
        "",
        "no message",
        "[]",
        "{}",
        r#"{"type": "refresh_auth", "token": "x"}"#,
        r#"{"type": "authenticate"}"#,
        r#"{"type": "authenticate", "token": null}"#,
        r#"{"type": "authenticate", "token": 7}"#,
        r#"{"type": "authenticate", "token": "x", "resume": 7}"#,
        r#"{"type": "make_tea"}"#,
    ] {
        let mut client = listening.connect(&notebook).await;
        client.say_text(first).await;
        let (code, error) = client.end().await;
        assert_eq!(code, 1008, "{first}");
        assert!(error.unwrap().starts_with("Sign in first"), "{first}");
    }
    let mut binary = listening.connect(&notebook).await;
    futures_util::SinkExt::send(&mut binary.socket, Message::Binary(Bytes::from_static(b"{}"))).await.unwrap();
    assert_eq!(binary.end().await.0, 1008);
    listening.stop().await;

    let listening = Listening::with(|sockets| sockets.sign_in_within = Duration::from_millis(300));
    let notebook = listening.server.notebook().await;
    let mut silent = listening.connect(&notebook).await;
    let (code, error) = silent.end().await;
    assert_eq!(code, 1008);
    assert!(error.unwrap().starts_with("Sign in within"));
    // Other messages do not put the moment off.
    let mut busy = listening.connect(&notebook).await;
    busy.say(&json!({"type": "run_cell", "cellId": "x"})).await;
    assert_eq!(busy.end().await.0, 1008);
    listening.stop().await;
}

/// "Within 10 s `{type: "authenticate", token}`; answer `{type: "authenticated", user_id}`". "`run_cell` sent before
/// `authenticated` is queued". This server runs no cells, which it says when the socket has signed in.
#[actix_web::test]
async fn run_cell_before_signing_in_is_queued() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let mut client = listening.connect(&notebook).await;
    let cell = listening.server.first_cell(&notebook).await;
    client.say(&json!({"type": "run_cell", "cellId": cell})).await;
    client.sign_in().await;
    let refused = client.hear().await;
    assert!(refused["message"].as_str().unwrap().contains("runs no cells"), "{refused}");
    client.is_served().await;
    listening.stop().await;
}

/// "Unknown or foreign notebook: `authenticated`, `error`, close 1008."
#[actix_web::test]
async fn an_unknown_or_foreign_notebook_is_refused_after_signing_in() {
    let listening = Listening::start();
    let api = listening.server.as_user("other");
    let theirs = crate::support::send(&api, crate::support::to(actix_web::test::TestRequest::post(), "/api/notebooks"));
    let theirs = format!("/api/notebooks/{}", theirs.await.ok()["notebook_id"].as_str().unwrap());
    for notebook in
        [&*theirs, "/api/notebooks/none", "/api/notebooks/blank-other", "/api/notebooks/a/b", "/api/notebooks/%zz"]
    {
        let mut client = listening.connect(notebook).await;
        client.sign_in().await;
        let (code, error) = client.end().await;
        assert_eq!(code, 1008, "{notebook}");
        assert!(error.is_some(), "{notebook}");
    }
    listening.stop().await;
}

/// "GET and WebSocket of an id in the URL may arrive before the first list: Quire provisions there too", with the aliases.
#[actix_web::test]
async fn a_socket_may_be_the_first_to_ask_for_the_users_own_notebooks() {
    for id in ["blank-me", "demo-me", "blank", "demo"] {
        let listening = Listening::start();
        listening.watch(&format!("/api/notebooks/{id}")).await;
        assert_eq!(listening.server.get("/api/notebooks").await.ok()["notebooks"].as_array().unwrap().len(), 2);
        listening.stop().await;
    }
}

/// "HTTP paths are percent-encoded, WebSocket paths are not": what a browser's own encoding makes of an id is understood
/// too.
#[actix_web::test]
async fn ids_in_the_path_are_as_the_client_has_them() {
    let file = |id: &str| json!({"id": id, "user_id": "me", "cells": []}).to_string();
    let ids = ["50%25", "a/b", "two words", "ä"];
    let files: Vec<_> = ids.iter().enumerate().map(|(n, id)| (format!("{n}.json"), file(id))).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let listening = Listening::of(Server::over(&files));
    for path in ["50%25", "a/b", "a%2Fb", "two%20words", "%C3%A4"] {
        listening.watch(&format!("/api/notebooks/{path}")).await;
    }
    listening.stop().await;
}

/// "`{type: "refresh_auth", token}` renews (`auth_refreshed`)"; "after that, errors do not close".
#[actix_web::test]
async fn signing_in_can_be_renewed_and_errors_do_not_close() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let mut client = listening.watch(&notebook).await;
    client.say(&json!({"type": "refresh_auth", "token": "another"})).await;
    assert_eq!(client.hear().await, json!({"type": "auth_refreshed"}));
    for text in ["", "[1]", "{\"type\": 7}", r#"{"type": "refresh_auth"}"#, r#"{"type": "authenticate", "token": "x"}"#]
    {
        client.say_text(text).await;
        let heard = client.hear().await;
        assert_eq!(heard["type"], "error", "{text}");
        assert!(heard["message"].is_string());
    }
    listening.stop().await;
}

/// A cross-origin page must not come in, nor, in development mode, one that has rebound its name.
#[actix_web::test]
async fn origin_and_host_are_checked_at_the_upgrade() {
    let listening = Listening::start();
    let notebook = Listening::socket_path(&listening.server.notebook().await);
    let connect =
        async |headers: &[(&'static str, &str)]| match Client::connect(listening.address, &notebook, headers).await {
            Ok(_) => 101,
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(other) => panic!("{other}"),
        };
    assert_eq!(connect(&[]).await, 101);
    assert_eq!(connect(&[("origin", "http://localhost:3000")]).await, 101);
    for origin in ["http://evil.example", "null", "http://localhost:3000.evil.example", "http://localhost:8000"] {
        assert_eq!(connect(&[("origin", origin)]).await, 403, "{origin}");
    }
    assert_eq!(connect(&[("host", "localhost:1")]).await, 101);
    assert_eq!(connect(&[("host", "evil.example")]).await, 403);
    listening.stop().await;
}

#[actix_web::test]
async fn a_request_that_is_no_upgrade_is_told_so() {
    let server = Server::start();
    let reply = server.send(get("/api/ws/notebooks/blank")).await;
    reply.problem(400, "bad_request");
    server.post("/api/ws/notebooks/blank", "{}").await.problem(405, "method_not_allowed");
    server.send(get("/api/ws/notebooks/")).await.problem(404, "unknown_route");
}
