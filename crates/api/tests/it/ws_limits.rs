//! Limits of sockets.

use std::time::Duration;

use futures_util::SinkExt as _;
use quire_domain::{NotebookId, UserId};
use quire_service::Options;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::Server;
use crate::ws_client::{Client, Listening, SOON};

#[actix_web::test]
async fn a_message_has_16_kib_at_most() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let message = |bytes: usize| {
        let empty = json!({"type": "authenticate", "token": ""}).to_string();
        json!({"type": "authenticate", "token": "x".repeat(bytes - empty.len())}).to_string()
    };
    let mut client = listening.connect(&notebook).await;
    client.say_text(&message(16 * 1024)).await;
    assert_eq!(client.hear().await["type"], "authenticated");
    client.say_text(&message(16 * 1024 + 1)).await;
    assert_eq!(client.end().await.0, 1009);
    let mut client = listening.connect(&notebook).await;
    client.say_text(&message(16 * 1024 + 1)).await;
    assert_eq!(client.end().await.0, 1009);
    // A thousand times as large, announced and begun.
    let mut client = listening.connect(&notebook).await;
    let _ = client.socket.feed(Message::text("x".repeat(16 * 1024 * 1024))).await;
    let _ = tokio::time::timeout(SOON, client.socket.flush()).await.expect("the server reads on");
    // In pieces, none of which is too large.
    let mut client = listening.connect(&notebook).await;
    for (n, kind) in [Data::Text, Data::Continue, Data::Continue].into_iter().enumerate() {
        let frame = Frame::message(vec![b'x'; 8 * 1024], OpCode::Data(kind), n == 2);
        client.socket.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(client.end().await.0, 1009);
    listening.stop().await;
}

/// A client that goes on sending behind a frame that was refused is not reset, so that it reads why.
#[actix_web::test]
async fn what_follows_a_refused_frame_is_read_so_that_its_sender_hears_1009() {
    const LENGTH: usize = 12 * 1024 * 1024; // more than the two systems hold of it
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let mut client = listening.connect(&notebook).await;
    let raw = client.socket.get_mut();
    let header = [&[0x82, 0xFF][..], &(LENGTH as u64).to_be_bytes(), &[0; 4]].concat();
    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xF1];
    for bytes in [&header[..], &vec![0; LENGTH], &close] {
        tokio::time::timeout(SOON, raw.write_all(bytes)).await.unwrap().expect("the server reads on");
    }
    let mut heard = Vec::new();
    tokio::time::timeout(SOON, raw.read_to_end(&mut heard)).await.unwrap().expect("the connection ends in order");
    let close = heard.windows(4).find(|frame| frame[0] == 0x88).expect("there is a close frame");
    assert_eq!(close[2..], 1009_u16.to_be_bytes());
    listening.stop().await;
}

#[actix_web::test]
async fn watchers_of_an_evicted_notebook_hear_1013() {
    // Room for four small notebooks, and not for five.
    let server = Server::with(Options { memory_bytes: 150_000, ..Options::default() }, &[]);
    let listening = Listening::of(server);
    let mut watching = Vec::new();
    for _ in 0..4 {
        let notebook = listening.server.notebook().await;
        watching.push(listening.watch(&notebook).await);
    }
    let other = UserId::new("other").unwrap();
    let theirs = listening.server.service.create(&other).await.unwrap();
    listening.server.service.get(&other, &theirs).await.unwrap();
    let (code, error) = watching[0].end().await;
    assert_eq!(code, 1013);
    assert!(error.unwrap().contains("evicted"));
    listening.stop().await;
}

/// A watcher that does not read keeps no notebook in memory: it is told to come again at once, not after the events that it
/// has not read.
#[actix_web::test]
async fn a_watcher_that_does_not_read_is_ended_when_its_notebook_is_evicted() {
    let cells: Vec<_> =
        (0..6).map(|n| json!({"id": format!("c{n}"), "type": "python", "code": "#".repeat(250 * 1024)})).collect();
    let theirs = json!({"id": "theirs", "user_id": "other", "revision": 0, "cells": cells}).to_string();
    let options = Options { memory_bytes: 11 << 19, ..Options::default() };
    let listening = Listening::of(Server::with(options, &[("theirs.json", &theirs)]));
    let notebook = listening.server.notebook().await;
    let cell = format!("{notebook}/cells/{}", listening.server.first_cell(&notebook).await);
    let mut slow = listening.watch(&notebook).await;
    for n in 0..60 {
        let code = format!("x = {n} # {}", "#".repeat(120 * 1024));
        listening.server.put(&cell, &json!({"code": code}).to_string()).await.ok();
    }
    let (other, theirs) = (UserId::new("other").unwrap(), NotebookId::new("theirs").unwrap());
    listening.server.service.get(&other, &theirs).await.unwrap();
    let mut heard = 0;
    let code = loop {
        match slow.next().await {
            Message::Close(reason) => break reason.unwrap().code,
            Message::Text(text) => heard += usize::from(text.contains("cell_updated")),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(code), 1013);
    assert!(heard < 60, "{heard}");
    listening.stop().await;
}

/// "It sends no pings: Quire pings every 20 s"; a client that does not answer is disconnected.
#[actix_web::test]
async fn a_client_is_pinged_and_cut_off_when_it_never_answers() {
    let listening = Listening::with(|sockets| sockets.ping_every = Duration::from_millis(100));
    let notebook = listening.server.notebook().await;
    let mut client = listening.watch(&notebook).await;
    for _ in 0..10 {
        let heard = tokio::time::timeout(SOON, futures_util::StreamExt::next(&mut client.socket)).await.unwrap();
        assert!(matches!(heard, Some(Ok(Message::Ping(_)))), "{heard:?}");
    }
    // Read beneath the client, which would answer.
    let raw = client.socket.get_mut();
    let read = async {
        let mut buffer = [0; 1024];
        while !matches!(raw.read(&mut buffer).await, Ok(0) | Err(_)) {}
    };
    tokio::time::timeout(SOON, read).await.expect("the server waits for ever");
    listening.stop().await;
}

/// "2,000 silent sockets do not keep a real client out", even from the same address.
#[actix_web::test]
async fn silent_sockets_keep_nobody_out() {
    let listening = Listening::with(|sockets| sockets.max_pending_per_address = 50);
    let notebook = listening.server.notebook().await;
    let mut silent = Vec::new();
    for _ in 0..2_000 {
        silent.push(listening.connect(&notebook).await);
    }
    let mut client = listening.watch(&notebook).await;
    listening.server.post(&format!("{notebook}/cells"), r#"{"type": "sql"}"#).await.ok();
    assert_eq!(client.hear().await["type"], "cell_created");
    let (code, error) = silent[0].end().await;
    assert_eq!(code, 1013);
    assert!(error.unwrap().starts_with("Too many sockets have not signed in"));
    silent.last_mut().unwrap().sign_in().await;
    listening.stop().await;
}

#[actix_web::test]
async fn a_user_and_a_server_have_so_many_sockets_and_no_more() {
    let listening = Listening::with(|sockets| sockets.max_per_user = 2);
    let notebook = listening.server.notebook().await;
    let (first, _second) = (listening.watch(&notebook).await, listening.watch(&notebook).await);
    let mut third = listening.connect(&notebook).await;
    third.say(&json!({"type": "authenticate", "token": "x"})).await;
    let (code, error) = third.end().await;
    assert_eq!((code, error.is_some()), (1013, true));
    drop(first);
    // The server learns of the end in its own time.
    let again = async {
        loop {
            let mut client = listening.connect(&notebook).await;
            client.say(&json!({"type": "authenticate", "token": "x"})).await;
            if client.hear().await["type"] == "authenticated" {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, again).await.unwrap();
    listening.stop().await;

    let listening = Listening::with(|sockets| sockets.max_sockets = 1);
    let notebook = listening.server.notebook().await;
    let _first = listening.watch(&notebook).await;
    let mut second = listening.connect(&notebook).await;
    assert_eq!(second.end().await.0, 1013);
    listening.stop().await;
}

/// "A client that does not read is cut to a resync, slows nobody, and costs bounded memory."
#[actix_web::test]
async fn a_client_that_does_not_read_is_cut_to_a_resync_and_slows_nobody() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let cell = listening.server.first_cell(&notebook).await;
    let (mut slow, mut quick) = (listening.watch(&notebook).await, listening.watch(&notebook).await);
    let put = format!("{notebook}/cells/{cell}");
    for n in 0..350 {
        // The first fill what the two systems hold, some megabytes.
        let filling = "#".repeat(if n < 50 { 120 * 1024 } else { 1 });
        let code = format!("x = {n} {filling}");
        listening.server.put(&put, &json!({"code": code}).to_string()).await.ok();
        assert_eq!(quick.hear().await["cell"]["code"], code);
    }
    // What was sent before it stopped reading comes whole and in order; then one resync, and nothing from between.
    let mut heard = 0;
    let resync = loop {
        let message = slow.hear().await;
        if message["type"] == "resync" {
            break message;
        }
        assert!(message["cell"]["code"].as_str().unwrap().starts_with(&format!("x = {heard} #")));
        heard += 1;
    };
    assert!(heard < 80, "{heard}");
    assert_eq!(resync["seq"], listening.server.get(&notebook).await.ok()["seq"]);
    listening.server.put(&put, r#"{"code": "end"}"#).await.ok();
    assert_eq!(slow.hear().await["cell"]["code"], "end");
    listening.stop().await;
}

/// "Shutting down: 1012."
#[actix_web::test]
async fn shutting_down_closes_every_socket_with_1012() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let (mut watching, mut silent) = (listening.watch(&notebook).await, listening.connect(&notebook).await);
    let api = listening.api.clone();
    let drained = actix_web::rt::spawn(async move { api.drain().await });
    assert_eq!(watching.end().await, (1012, None));
    assert_eq!(silent.end().await, (1012, None));
    drop((watching, silent));
    tokio::time::timeout(SOON, drained).await.expect("draining waits for a socket that is gone").unwrap();
    let path = Listening::socket_path(&notebook);
    assert!(Client::connect(listening.address, &path, &[]).await.is_err());
    listening.stop().await;
}
