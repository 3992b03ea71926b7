//! Tests of clients that open connections without using them, and of the end of sockets.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Server, Talk};

/// A time-out longer than any test, so that only the limiter makes room.
const NEVER: &str = "3600000";

fn crowded(dir: &tempfile::TempDir) -> Server {
    let limits = ["--workers", "1", "--max-connections", "40", "--head-timeout-ms", NEVER, "--keep-alive-ms", NEVER];
    Server::with(dir.path(), &limits)
}

fn is_served(server: &Server) -> bool {
    let mut talk = server.connect();
    talk.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    talk.reply().status == 200
}

#[test]
fn half_sent_heads_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = crowded(&dir);
    let mut used = server.connect();
    used.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(used.reply().status, 200);
    let crowd: Vec<Talk> = (0..200)
        .map(|_| {
            let mut talk = server.connect();
            talk.say("GET /livez HTTP/1.1\r\nHost: loc");
            talk
        })
        .collect();
    assert!((0..10).all(|_| is_served(&server)));
    // A connection that has been used is not the first to be ended.
    used.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(used.reply().status, 200);
    drop(crowd);
}

#[test]
fn nor_do_idle_connections() {
    let dir = tempfile::tempdir().unwrap();
    let server = crowded(&dir);
    let mut watching = server.socket("blank");
    watching.say_message(&json!({"type": "authenticate", "token": ""}));
    assert_eq!(watching.hear_message().unwrap()["type"], "authenticated");
    let mut crowd = Vec::new();
    for _ in 0..200 {
        let mut talk = server.connect();
        talk.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(talk.reply().status, 200);
        crowd.push(talk);
    }
    assert!(crowd[0].is_ended(), "the one that has waited longest makes room");
    // A socket never makes room.
    watching.say_message(&json!(null));
    assert_eq!(watching.hear_message().unwrap()["type"], "error");
}

#[test]
fn what_is_not_http_does_not_fill_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let lines = server.log.len();
    for _ in 0..50 {
        assert_eq!(server.ask("HELLO\r\n\r\n").status, 400);
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let of_stopping = server.log[lines..].iter().skip_while(|line| line["message"] != "stopping").count();
    assert!(server.log[lines..].iter().all(|line| line["level"] == "INFO"), "{:?}", server.log);
    // The library logs once, possibly after the server, that it begins to listen.
    assert!(server.log.len() - lines - of_stopping < 10, "{:?}", server.log);
}

#[test]
fn bodies_that_drip_in_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = crowded(&dir);
    let mut dripping: Vec<Talk> = (0..200)
        .map(|_| {
            let mut talk = server.connect();
            let head =
                "PUT /api/notebooks/blank/name HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
            talk.say(&format!("{head}Content-Length: 1000\r\n\r\n{{"));
            talk
        })
        .collect();
    assert!((0..10).all(|_| is_served(&server)));
    // A user may have 16 requests in flight with so few connections, and those that have waited longest make room.
    let rest = dripping[0].rest();
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408 "), "{rest}");
    let is_refused = dripping[1..100].iter_mut().any(|talk| !talk.is_ended() && talk.head().status == 429);
    assert!(is_refused);
}

/// Pages are public: their requests count for no user.
#[test]
fn nor_do_answers_that_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = crowded(&dir);
    let request = "GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(150);
    let _unread: Vec<Talk> = (0..60)
        .map(|_| {
            let mut talk = server.connect();
            talk.say(&request);
            talk
        })
        .collect();
    assert!((0..10).all(|_| is_served(&server)));
}

/// A masked close frame with code 1000.
const CLOSE: &[u8] = &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

#[test]
fn the_connection_ends_with_the_close_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(dir.path(), &["--send-timeout-ms", NEVER]);
    // Without the handshake, the library would continue for 5 s, and wait 2 s for the client's answer.
    let soon = Duration::from_millis(1_500);
    let mut by_client = server.socket("blank");
    by_client.say_bytes(CLOSE);
    let began = Instant::now();
    assert_eq!(by_client.hear_message(), Err(1000));
    assert!(by_client.is_ended() && began.elapsed() < soon, "{:?}", began.elapsed());
    let mut by_server = server.socket("blank");
    by_server.say_message(&json!({"type": "nonsense"}));
    assert_eq!(by_server.hear_message().unwrap()["type"], "error");
    assert_eq!(by_server.hear_message(), Err(1008));
    by_server.say_bytes(CLOSE);
    let began = Instant::now();
    assert!(by_server.is_ended() && began.elapsed() < soon, "{:?}", began.elapsed());
}

/// Frames that no client may send, and the code with which each is refused, before further bytes arrive.
#[test]
fn a_frame_is_refused_when_its_header_has_arrived() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let announced = |length: u64| [&[0x82, 0xFF][..], &length.to_be_bytes()].concat();
    let fragment = [&[0x01, 0xFE, 0x30, 0x00, 0, 0, 0, 0][..], &[b' '; 0x3000]].concat();
    let fragments = [&fragment[..], &[0x00, 0xFE, 0x10, 0x01]].concat();
    let endless = [&fragment[..], &[0x00], &announced(1 << 40)[1..]].concat();
    for (bytes, code) in [
        (announced(1 << 40), 1009),
        (announced(1 << 63), 1009),
        (announced(16 * 1024 + 1), 1009),
        (fragments, 1009),
        (endless, 1009),
        (vec![0x89, 0xFE, 0x00, 0x7E], 1002),
        (vec![0xC1, 0x80], 1002),
        (vec![0x81, 0x05], 1002),
        (vec![0x09, 0x80], 1002),
    ] {
        for signs_in in [false, true] {
            let mut talk = server.socket("blank");
            if signs_in {
                talk.say_message(&json!({"type": "authenticate", "token": ""}));
                assert_eq!(talk.hear_message().unwrap()["type"], "authenticated");
            }
            talk.say_bytes(&bytes);
            assert_eq!(talk.hear_message().unwrap()["type"], "error");
            assert_eq!(talk.hear_message(), Err(code), "{:x?}", &bytes[..4.min(bytes.len())]);
        }
    }
}
