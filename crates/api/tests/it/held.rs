//! Budgets of bytes for bodies that are being received, and for responses that clients do not read.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use actix_http::Request;
use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, Service, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use quire_api::ByteLimit;
use quire_service::Options;
use serde_json::{Value, json};

use crate::support::{Server, get, with_json};

const KIB: usize = 1024;

/// A body that comes at once, to its end or without one.
fn body(bytes: usize, ends: bool) -> impl Stream<Item = Result<Bytes, PayloadError>> + use<> {
    let text = format!(r#"{{"name": "x", "more": "{}"}}"#, "y".repeat(bytes));
    let chunks = text.into_bytes().chunks(16 * KIB).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>();
    let chunks = stream::iter(chunks);
    if ends { chunks.left_stream() } else { chunks.chain(stream::pending()).right_stream() }
}

fn import(body: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> Request {
    let request = with_json(TestRequest::post(), "/api/notebooks/import", "").to_request();
    let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(body);
    request.replace_payload(Payload::Stream { payload }).0
}

/// The status and the code of an answer, and after how many seconds to try again.
async fn refusal(answer: ServiceResponse<impl MessageBody>) -> (u16, Value, Option<String>) {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let Ok(body) = to_bytes(answer.into_body()).await else { panic!("the body fails") };
    let code = serde_json::from_slice::<Value>(&body).unwrap()["code"].take();
    (status, code, headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned()))
}

fn told(status: u16, code: &str) -> (u16, Value, Option<String>) {
    (status, json!(code), Some("1".to_owned()))
}

async fn app(server: &Server) -> impl Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
    init_service(server.api().app()).await
}

#[actix_web::test]
async fn bodies_that_never_end_leave_room_for_small_ones_and_others_are_told_to_wait() {
    let mut server = Server::start();
    server.settings.body_bytes = ByteLimit { server: 700 * KIB, user: 400 * KIB };
    let path = server.notebook().await;
    let app = app(&server).await;
    let mut unfinished: Vec<_> = (0..2).map(|_| Box::pin(call_service(&app, import(body(150 * KIB, false))))).collect();
    for waiting in &mut unfinished {
        assert!(waiting.now_or_never().is_none());
    }
    let refused = call_service(&app, import(body(150 * KIB, true))).await;
    assert_eq!(refusal(refused).await, told(429, "too_much_at_once"));
    let small = with_json(TestRequest::put(), &format!("{path}/name"), r#"{"name": "still"}"#);
    assert_eq!(call_service(&app, small.to_request()).await.status(), 200);
    unfinished.pop();
    // It is a notebook in no format; that can be said only of a body that was taken in.
    let taken = call_service(&app, import(body(150 * KIB, true))).await;
    assert_eq!(taken.status(), 422);
}

#[actix_web::test]
async fn bodies_of_all_users_together_have_a_limit_too() {
    let mut server = Server::start();
    server.settings.body_bytes = ByteLimit { server: 290 * KIB, user: 500 * KIB };
    let app = app(&server).await;
    let mut unfinished = pin!(call_service(&app, import(body(150 * KIB, false))));
    assert!(poll_fn(|context| Poll::Ready(unfinished.as_mut().poll(context).is_pending())).await);
    let refused = call_service(&app, import(body(150 * KIB, true))).await;
    assert_eq!(refusal(refused).await, told(503, "server_busy"));
}

#[actix_web::test]
async fn answers_that_are_not_read_have_a_limit() {
    let mut server = Server::start();
    server.settings.response_bytes = ByteLimit { server: 900 * KIB, user: 500 * KIB };
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    server.put(&cell, &json!({"code": "#".repeat(200 * KIB)}).to_string()).await.ok();
    let app = app(&server).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        unread.push(call_service(&app, get(&path).to_request()).await);
    }
    assert!(unread.iter().all(|answer| answer.status() == 200));
    for path in [path.clone(), format!("{path}/export"), format!("{path}/export?format=ipynb")] {
        let refused = call_service(&app, get(&path).to_request()).await;
        assert_eq!(refusal(refused).await, told(429, "too_much_at_once"));
    }
    assert_eq!(call_service(&app, get("/api/notebooks").to_request()).await.status(), 200, "what is small passes");
    unread.pop();
    for path in [path.clone(), format!("{path}/export")] {
        assert_eq!(call_service(&app, get(&path).to_request()).await.status(), 200);
    }
}

#[actix_web::test]
async fn what_counts_of_an_answer_is_its_length() {
    let mut server = Server::start();
    server.settings.response_bytes = ByteLimit { server: 900 * KIB, user: 700 * KIB };
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    // Six times as long as JSON, which is not known before it is written.
    server.put(&cell, &json!({"code": format!("#{}", "\u{1}".repeat(100 * KIB))}).to_string()).await.ok();
    let app = app(&server).await;
    let export = get(&format!("{path}/export"));
    let unread = call_service(&app, export.to_request()).await;
    assert_eq!(unread.status(), 200);
    let refused = call_service(&app, get(&format!("{path}/export")).to_request()).await;
    assert_eq!(refusal(refused).await, told(429, "too_much_at_once"));
    drop(unread);
}

#[actix_web::test]
async fn graphs_that_are_not_read_have_a_limit() {
    let mut server = Server::start();
    server.settings.response_bytes = ByteLimit { server: 900 * KIB, user: 500 * KIB };
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    let names: Vec<_> = (0..9_000).map(|n| format!("name_of_some_length_{n:04}=1")).collect();
    server.put(&cell, &json!({"code": names.join("\n")}).to_string()).await.ok();
    let app = app(&server).await;
    let mut unread = Vec::new();
    for status in [200, 200, 429] {
        unread.push(call_service(&app, get(&format!("{path}/graph")).to_request()).await);
        assert_eq!(unread.last().unwrap().status(), status);
    }
}

/// A notebook is in memory as long as an answer is written from it, and counts so long, whether or not it was evicted.
#[actix_web::test]
async fn an_evicted_notebook_is_charged_until_the_answers_that_are_written_from_it_end() {
    let cells: Vec<_> =
        (0..8).map(|n| json!({"id": format!("c{n}"), "type": "python", "code": "#".repeat(250 * KIB)})).collect();
    let file = |id: &str| json!({"id": id, "user_id": "me", "revision": 0, "cells": cells}).to_string();
    let files = ["a", "b", "c", "d"].map(|id| (format!("{id}.json"), file(id)));
    let files: Vec<_> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    // Room for three states of 2 MiB and one open notebook beside two of them.
    let server = Server::with(Options { memory_bytes: 7 << 20, plain_connections: true, ..Options::default() }, &files);
    let app = app(&server).await;
    let read = async |id: &str| call_service(&app, get(&format!("/api/notebooks/{id}")).to_request()).await;
    let mut unread = Vec::new();
    // Two answers from one state count it once.
    for id in ["a", "a", "b", "c"] {
        unread.push(read(id).await);
        assert_eq!(unread.last().unwrap().status(), 200, "{id}");
    }
    let refused = read("d").await;
    assert_eq!(refusal(refused).await, (503, json!("memory_full"), Some("5".to_owned())));
    unread.pop();
    assert_eq!(read("d").await.status(), 200);
}

/// A notebook of 3 MiB in cells of many sizes is the same, however it is written, and comes in pieces.
#[actix_web::test]
async fn a_large_notebook_is_written_while_it_is_read() {
    let cells: Vec<_> = (0..1_000)
        .map(|n| {
            let code = format!("x{n} = \"{}\"", "é\\\"\u{1}".repeat(n % 7 * 100 + n / 999 * 30_000));
            json!({"id": format!("c{n}"), "type": "python", "code": code, "stdout": "printed", "reads": [], "writes": []})
        })
        .collect();
    let file = json!({"id": "n", "user_id": "me", "name": "n", "db_conn_string": null, "revision": 0, "cells": cells});
    let server = Server::over(&[("n.json", &file.to_string())]);
    let app = app(&server).await;
    let answer = call_service(&app, get("/api/notebooks/n").to_request()).await;
    assert_eq!((answer.response().body().size(), answer.status().as_u16()), (BodySize::Stream, 200));
    let mut body = pin!(answer.into_body());
    let (mut text, mut pieces, mut turns) = (Vec::new(), 0, 0);
    loop {
        let piece = poll_fn(|context| {
            let polled = body.as_mut().poll_next(context);
            turns += usize::from(polled.is_pending());
            polled
        });
        let Some(piece) = piece.await else { break };
        let piece = piece.unwrap();
        assert!(piece.len() <= 64 * KIB);
        text.extend_from_slice(&piece);
        pieces += 1;
    }
    assert!(pieces > 16 && turns >= pieces / 4 - 1, "{pieces} pieces, {turns} turns");
    let streamed: Value = serde_json::from_slice(&text).unwrap();
    let read = streamed["cells"].as_array().unwrap();
    assert_eq!(read.len(), cells.len());
    for (read, written) in read.iter().zip(&cells) {
        assert_eq!((&read["id"], &read["code"]), (&written["id"], &written["code"]));
    }
    for (field, value) in [("id", json!("n")), ("name", json!("n")), ("revision", json!(0))] {
        assert_eq!(streamed[field], value);
    }
}
