//! What a socket may cost.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

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

/// "It sends no pings: Quire pings every 20 s"; whoever does not answer is cut off.
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
    let listening = Listening::with(|sockets| sockets.most_waiting_per_address = 50);
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
    let listening = Listening::with(|sockets| sockets.most_per_user = 2);
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

    let listening = Listening::with(|sockets| sockets.most = 1);
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
