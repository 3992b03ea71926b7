use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Server, large_notebook, quire_server};

#[test]
fn an_acknowledged_edit_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let notebook = "/api/notebooks/blank";
    let mut server = Server::start(dir.path());
    let cell = server.first_cell(notebook);
    for revision in 1..=5 {
        let code = format!("x = {revision}");
        let answer = server.put(&format!("{notebook}/cells/{cell}"), &json!({ "code": code }));
        assert_eq!(answer, json!({"status": "ok", "revision": revision}));
        server.signal(Signal::KILL);
        assert_eq!(server.wait().code(), None);
        server = Server::start(dir.path());
        let read = server.get(notebook);
        assert_eq!((&read["cells"][0]["code"], &read["revision"]), (&json!(code), &json!(revision)));
    }
}

#[test]
fn told_to_stop_it_finishes_what_is_under_way_and_exits_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::start(dir.path());
        let cell = server.first_cell("/api/notebooks/blank");
        let mut idle = server.connect();
        idle.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(idle.reply().status, 200);
        let mut talk = server.connect();
        talk.say(&format!(
            "PUT /api/notebooks/blank/cells/{cell} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 16\r\nExpect: 100-continue\r\n\r\n"
        ));
        assert_eq!(talk.head().status, 100, "the request is being handled");
        server.signal(signal);
        server.wait_for("stopping");
        talk.say(r#"{"code": "late"}"#);
        let reply = talk.reply();
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{reply:?}");
        assert!(talk.is_ended() && idle.is_ended());
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(server.log.last().unwrap()["message"], "stopped");
        let server = Server::start(dir.path());
        assert_eq!(server.get("/api/notebooks/blank")["cells"][0]["code"], "late");
    }
}

#[test]
fn what_does_not_finish_in_time_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::with(dir.path(), &["--shutdown-timeout-ms", "1"]);
    let mut talk = server.connect();
    talk.say(
        "POST /api/notebooks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\
         Expect: 100-continue\r\n\r\n",
    );
    assert_eq!(talk.head().status, 100);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.log.iter().any(|line| line["message"].as_str().unwrap().contains("cut off")));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let mut talk = server.connect();
    talk.say(
        "POST /api/notebooks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\
         Expect: 100-continue\r\n\r\n",
    );
    assert_eq!(talk.head().status, 100);
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(1));
    let last = server.log.last().unwrap();
    assert_eq!((&last["message"], &last["signal"]), (&json!("told to stop again: ending at once"), &json!("SIGINT")));
}

/// A log that is not read blocks every thread that logs.
#[test]
fn it_ends_in_its_time_although_every_thread_is_held_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = quire_server();
    command.arg("--notebooks-dir").arg(dir.path()).args([
        "--port",
        "0",
        "--log",
        "trace",
        "--shutdown-timeout-ms",
        "1",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap());
    let port = loop {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        if let Some((_, address)) = line.split_once("listening address=") {
            let port = address.rsplit(':').next().unwrap();
            break port.trim().parse::<u16>().unwrap();
        }
    };
    // Sends requests until the server answers none.
    let is_answered = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 1]).is_ok()
    };
    assert!((0..10_000).any(|_| !is_answered()));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(124));
}

/// Tests a client that reads slowly.
#[test]
fn a_large_answer_under_way_is_sent_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    large_notebook(dir.path());
    let mut server = Server::start(dir.path());
    let mut talk = server.connect();
    talk.say("GET /api/notebooks/n HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = talk.head();
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    // The pause is longer than the server's threads wait for connections without a request in flight.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    let body: Value = serde_json::from_str(&talk.chunks()).unwrap();
    assert_eq!(body["cells"].as_array().unwrap().len(), 64);
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.log.iter().all(|line| !line["message"].as_str().unwrap().contains("cut off")));
}
