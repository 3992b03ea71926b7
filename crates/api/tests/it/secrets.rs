//! The API holds what it has answered, connection strings included, and must neither show nor keep them; and nobody but
//! the database ever sees a password.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use actix_web::test::TestRequest;
use quire_domain::{ConnectionString, NotebookId, ShownConnection, UserId};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Server, get, send, to};

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[actix_web::test]
async fn debugging_the_api_shows_no_connection_string() {
    let server = Server::start();
    let path = server.notebook().await;
    server.put(&format!("{path}/db"), r#"{"connection_string": "postgres://u:hunter2@h/d"}"#).await.ok();
    let api = server.api();
    let answer = send(&api, get(&path)).await.ok();
    assert_eq!(answer["db_conn_string"], "postgres://u:••••••••@h/d");
    for shown in [format!("{api:?}"), format!("{api:#?}")] {
        assert!(shown.contains("cached: 1") && !shown.contains("hunter2") && !shown.contains("postgres"), "{shown}");
    }
}

/// Everything that is logged by any test of this process, at every level.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All files below a directory, one after the other.
fn files(dir: &Path, all: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.extend(std::fs::read(path).unwrap());
        }
    }
}

#[actix_web::test]
async fn a_planted_password_is_found_nowhere() {
    const PASSWORD: &str = "tr0ub4dor-471147114711";
    tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(|| Log).init();
    let server = Server::with_key(Some(ONE), &[]);
    let path = server.notebook().await;
    let db = format!("{path}/db");
    let mut answers = Vec::new();
    let put = |text: &str| json!({ "connection_string": text }).to_string();
    let plain = format!("postgres://me:{PASSWORD}@h/d?sslmode=require&sslpassword={PASSWORD}");
    server.put(&db, &put(&plain)).await.ok();
    server.put(&db, &put(&format!("postgres://me:{PASSWORD}@h/d"))).await.ok();
    // Refused in every way there is.
    for (body, status) in [
        (put(&format!("{plain}{}", "x".repeat(2_048))), 422),
        (put(&format!("q1.{PASSWORD}")), 422),
        (put(&format!("postgres://•:{PASSWORD}@h/d")), 422),
        (put(&format!("{plain}\0")), 422),
        (format!("{{\"connection_string\": [\"{PASSWORD}\"]}}"), 422),
        (format!("{{\"connection_string\": {}}}", &PASSWORD[10..]), 422),
        (format!("{{\"connection_string\": \"{PASSWORD}"), 422),
        (format!("{{\"connection_strin\": \"{PASSWORD}\"}}"), 422),
        (format!("\"{PASSWORD}\""), 422),
    ] {
        let refused = server.put(&db, &body).await;
        assert_eq!(refused.status, status, "{body}");
        answers.extend(refused.body);
    }
    let api = server.api();
    let answer = send(&api, get(&path)).await;
    assert_eq!(answer.ok()["db_conn_string"], "postgres://me:••••••••@h/d");
    answers.extend(answer.body);
    let me = UserId::new("me").unwrap();
    let id = NotebookId::new(path.rsplit('/').next().unwrap()).unwrap();
    let published = server.service.get(&me, &id).await.unwrap();
    let opened = server.service.connection(&published).unwrap();
    assert!(opened.as_ref().is_some_and(|opened| opened.expose().contains(PASSWORD)), "it is there after all");
    let debug = format!("{api:?} {:?} {published:?} {opened:?} {:?}", server.service, server.settings);

    // Another server, which cannot open it.
    let name = format!("{id}.json");
    let file = std::fs::read_to_string(server.dir.path().join(&name)).unwrap();
    let other = Server::with_key(Some(TWO), &[(&name, &file)]);
    let answer = other.get(&path).await;
    assert_eq!(answer.ok()["db_conn_string"], ShownConnection::unavailable().as_str());
    other.put(&db, &put(ShownConnection::unavailable().as_str())).await.ok();
    answers.extend(answer.body);

    let mut kept = Vec::new();
    files(server.dir.path(), &mut kept);
    let log = LOG.lock().unwrap().clone();
    let log = String::from_utf8_lossy(&log);
    let reason = "sealed with another secret key";
    let line = log.lines().find(|line| line.contains(reason)).unwrap();
    assert!(line.contains("WARN") && line.contains(id.as_str()), "{line}");
    assert!(log.contains("/api/notebooks/{id}/db"), "requests are in the log");
    let (answers, kept) = (String::from_utf8_lossy(&answers), String::from_utf8_lossy(&kept));
    assert!(kept.contains("\"q1."), "{kept}");
    for (place, text) in [("log", &*log), ("answers", &*answers), ("debug", &debug), ("files", &*kept)] {
        for secret in [PASSWORD, &PASSWORD[10..], &ONE[..20], &TWO[..20]] {
            assert!(!text.contains(secret), "{secret} in the {place}: {text}");
        }
    }
}

#[actix_web::test]
async fn files_that_hold_plain_text_are_sealed_at_the_next_change() {
    let file = json!({"id": "n", "user_id": "me", "name": null, "db_conn_string": "postgres://u:hunter2@h/d", "revision": 0,
        "cells": []});
    let server = Server::with_key(Some(ONE), &[("n.json", &file.to_string())]);
    let notebook = server.get("/api/notebooks/n").await.ok();
    assert_eq!(notebook["db_conn_string"], "postgres://u:••••••••@h/d");
    let body = json!({ "connection_string": "postgres://u:hunter3@h/d" }).to_string();
    server.put("/api/notebooks/n/db", &body).await.ok();
    let mut kept = Vec::new();
    files(server.dir.path(), &mut kept);
    assert!(!String::from_utf8_lossy(&kept).contains("hunter"));
    let id = NotebookId::new("n").unwrap();
    let published = server.service.get(&UserId::new("me").unwrap(), &id).await.unwrap();
    let opened = server.service.connection(&published).unwrap();
    assert_eq!(opened.as_ref().map(ConnectionString::expose), Some("postgres://u:hunter3@h/d"));
}

#[actix_web::test]
async fn what_was_answered_of_a_deleted_notebook_is_not_kept() {
    let server = Server::start();
    let api = server.api();
    let (one, other) = (server.notebook().await, server.notebook().await);
    send(&api, get(&one)).await.ok();
    send(&api, to(TestRequest::delete(), &one)).await.ok();
    assert!(format!("{api:?}").contains("cached: 0"));

    // Deleted by another way than this API, so that only answering about others can tell.
    send(&api, get(&other)).await.ok();
    let id = NotebookId::new(other.rsplit('/').next().unwrap()).unwrap();
    server.service.delete(&UserId::new("me").unwrap(), &id).await.unwrap();
    for _ in 0..100 {
        send(&api, get(&server.notebook().await)).await.ok();
    }
    let shown = format!("{api:?}");
    assert!(shown.contains("cached: 100"), "{shown}");
}
