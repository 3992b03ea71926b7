//! Tests of clients that do not read.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::sign_in::{ISSUER, PEM, token_until};
use crate::support::{Server, Talk, large_notebook, quire_server};

/// Returns a client that watches a notebook and then stops reading.
fn watch(server: &Server, notebook: &str, token: &str) -> Talk {
    let mut talk = server.socket(notebook);
    talk.say_message(&json!({"type": "authenticate", "token": token}));
    assert_eq!(talk.hear_message().unwrap()["type"], "authenticated");
    // The answer shows that the server serves the socket; all later events are sent on it.
    talk.say_message(&json!(null));
    assert_eq!(talk.hear_message().unwrap()["type"], "error");
    talk
}

/// Causes more events than the buffers of the client's and the server's systems hold.
fn overfill(mut put: impl FnMut(&Value)) {
    for n in 0..40 {
        put(&json!({"code": format!("x = {n} {}", "#".repeat(250 * 1024))}));
    }
}

fn overfill_blank(server: &Server) {
    let cell = server.first_cell("/api/notebooks/blank");
    overfill(|body| drop(server.put(&format!("/api/notebooks/blank/cells/{cell}"), body)));
}

/// Stops the server, which must end before its time limit.
fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.log.iter().all(|line| !line["message"].as_str().unwrap().contains("cut off")));
    assert_eq!(server.log.last().unwrap()["message"], "stopped");
}

#[test]
fn a_socket_that_is_not_read_ends_and_leaves_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::with(dir.path(), &["--send-timeout-ms", "1000", "--ws-max-per-user", "1"]);
    let _unread = watch(&server, "blank", "");
    overfill_blank(&server);
    server.wait_for("socket closed");
    watch(&server, "blank", "");
}

#[test]
fn an_answer_that_is_not_read_ends_its_connection() {
    let dir = tempfile::tempdir().unwrap();
    large_notebook(dir.path());
    let server = Server::with(dir.path(), &["--send-timeout-ms", "1000", "--shutdown-timeout-ms", "20000"]);
    let mut unread = server.connect();
    unread.say("GET /api/notebooks/n HTTP/1.1\r\nHost: localhost\r\n\r\n");
    unread.head();
    stop(server);
}

#[test]
fn a_socket_that_is_not_read_does_not_hold_up_the_servers_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(dir.path(), &["--shutdown-timeout-ms", "20000"]);
    let _unread = watch(&server, "blank", "");
    overfill_blank(&server);
    stop(server);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the token must end soon by the clock that the server goes by")]
fn a_place_is_free_when_the_connection_is_gone_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = quire_server();
    command.env("CLERK_ISSUER", ISSUER).env("CLERK_JWT_KEY", PEM).arg("--notebooks-dir").arg(dir.path());
    let flags = ["--port", "0", "--ws-max-per-user", "1", "--ws-unrefreshed-max", "0"];
    let mut server = Server::spawn(command.args(flags));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let later = token_until("ann", now + 3_600);
    let unread = watch(&server, "blank", &token_until("ann", now + 12));
    let authorization = format!("Bearer {later}");
    let mut notebook =
        ureq::get(server.url("/api/notebooks/blank")).header("Authorization", &authorization).call().unwrap();
    let notebook: Value = notebook.body_mut().read_json().unwrap();
    let cell = server.url(&format!("/api/notebooks/blank/cells/{}", notebook["cells"][0]["id"].as_str().unwrap()));
    overfill(|body| drop(ureq::put(&cell).header("Authorization", &authorization).send_json(body).unwrap()));
    // The token has expired, and the server has given up sending that.
    assert_eq!(server.wait_for("socket closed")["code"], 4401);
    let first_message = || {
        let mut talk = server.socket("blank");
        talk.say_message(&json!({"type": "authenticate", "token": later}));
        talk.hear_message().unwrap()["type"].clone()
    };
    assert_eq!(first_message(), "error");
    drop(unread);
    // The server detects the closed connection some time later.
    assert!((0..10_000).any(|_| first_message() == "authenticated"));
}
