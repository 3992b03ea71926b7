use std::fs;

use serde_json::json;

use crate::support::{Server, quire_server};

fn started() -> (tempfile::TempDir, Server) {
    with(&[])
}

fn with(flags: &[&str]) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(dir.path(), flags);
    (dir, server)
}

#[test]
fn a_slow_head_is_408_and_ends_the_connection() {
    let (_dir, server) = with(&["--head-timeout-ms", "300"]);
    let mut talk = server.connect();
    talk.say("GET /livez HTTP/1.1\r\nHost: loc");
    assert_eq!(talk.reply().status, 408);
    assert!(talk.is_ended());
}

#[test]
fn a_slow_body_is_408_and_ends_the_connection() {
    let (_dir, server) = with(&["--body-timeout-ms", "300"]);
    for framing in ["Content-Length: 13", "Transfer-Encoding: chunked"] {
        let mut talk = server.connect();
        talk.say(&format!(
            "PUT /api/notebooks/blank/name HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        ));
        let reply = talk.reply();
        assert_eq!((reply.status, reply.header("connection")), (408, Some("close")));
        assert_eq!(reply.problem()["code"], "slow_body");
        assert!(talk.is_ended());
    }
}

#[test]
fn a_body_that_nobody_reads_and_that_never_ends_does_not_hold_the_connection() {
    let (_dir, server) = started();
    for (head, status) in [("GET /livez", 200), ("PUT /nowhere", 404), ("DELETE /api/notebooks", 405)] {
        let mut talk = server.connect();
        let json = "Content-Type: application/json\r\nTransfer-Encoding: chunked";
        talk.say(&format!("{head} HTTP/1.1\r\nHost: localhost\r\n{json}\r\n\r\n5\r\nab"));
        assert_eq!(talk.reply().status, status);
        assert!(talk.is_ended());
    }
}

#[test]
fn a_connection_is_kept_for_many_requests_unless_the_client_wants_otherwise() {
    let (_dir, server) = started();
    let mut talk = server.connect();
    for path in ["/livez", "/api/notebooks", "/nowhere", "/api/notebooks/blank"] {
        talk.say(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let reply = talk.reply();
        assert_eq!((reply.status, reply.header("connection")), (if path == "/nowhere" { 404 } else { 200 }, None));
    }
    talk.say("POST /api/notebooks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\nignored");
    assert_eq!(talk.reply().status, 200);
    talk.say("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(talk.reply().header("connection"), Some("close"));
    assert!(talk.is_ended());
    let mut old = server.connect();
    old.say("GET /livez HTTP/1.0\r\n\r\n");
    assert_eq!(old.reply().status, 200);
    assert!(old.is_ended());
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let (_dir, server) = started();
    let mut talk = server.connect();
    talk.say(
        &"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3),
    );
    for _ in 0..3 {
        assert_eq!((talk.reply().status, talk.reply().status), (404, 200));
    }
}

#[test]
fn head_is_get_without_the_body() {
    let (_dir, server) = started();
    let mut talk = server.connect();
    talk.say("HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = talk.head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("18")));
    talk.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(talk.reply().body, r#"{"status":"alive"}"#);
}

#[test]
fn a_preflight_is_answered() {
    let (_dir, server) = started();
    let reply = server.ask(
        "OPTIONS /api/notebooks/x HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:5173\r\n\
         Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: authorization\r\n\r\n",
    );
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:5173"));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
}

#[test]
fn forbidden_hosts_and_targets_are_403_over_a_socket_too() {
    let (_dir, server) = started();
    for head in [
        "GET /api/notebooks HTTP/1.1\r\nHost: evil.example",
        "GET /api/notebooks HTTP/1.1\r\nHost: ",
        "GET http://localhost/api/notebooks HTTP/1.1\r\nHost: localhost",
        "GET /api/notebooks HTTP/1.0",
    ] {
        let reply = server.ask(&format!("{head}\r\n\r\n"));
        assert_eq!((reply.status, reply.problem()["code"].as_str()), (403, Some("forbidden_host")), "{head}");
    }
}

#[test]
fn chunked_bodies_are_read_and_too_large_ones_refused_before_they_are_sent() {
    let (_dir, server) = started();
    server.get("/api/notebooks");
    let head = "PUT /api/notebooks/blank/name HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let reply =
        server.ask(&format!("{head}Transfer-Encoding: chunked\r\n\r\n9\r\n{{\"name\": \r\n4\r\n\"x\"}}\r\n0\r\n\r\n"));
    assert_eq!((reply.status, &*reply.body), (200, r#"{"status":"ok","name":"x"}"#));
    let reply = server.ask(&format!("{head}Content-Length: 16777217\r\n\r\n"));
    assert_eq!((reply.status, reply.problem()["code"].as_str()), (413, Some("too_large")));
}

#[test]
fn what_is_not_http_is_400_or_431() {
    let (_dir, server) = started();
    let get = "GET /livez HTTP/1.1\r\nHost: localhost\r\n";
    let cases = [
        ("HELLO\r\n\r\n".to_owned(), 400),
        ("GET /api/notebooks HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("{get}Host: localhost\r\n\r\n"), 400),
        (format!("{get}Content-Length: x\r\n\r\n"), 400),
        (format!("{get}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400),
        (format!("{get}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
        (format!("{get}X: {}\r\n\r\n", "x".repeat(300_000)), 431),
    ];
    for (request, status) in cases {
        assert_eq!(server.ask(&request).status, status, "{}", &request[..60.min(request.len())]);
    }
    assert_eq!(server.get("/livez")["status"], "alive");
}

#[test]
fn the_log_has_a_line_for_each_request_and_none_of_its_content() {
    let (_dir, mut server) = started();
    let cell = server.first_cell("/api/notebooks/blank");
    server.put(&format!("/api/notebooks/blank/cells/{cell}"), &json!({"code": "secret_source"}));
    server.put("/api/notebooks/blank/db", &json!({"connection_string": "postgres://u:hunter2@h/d"}));
    server.ask("PUT /api/notebooks/blank/db?hunter2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"connection_string\": hunter2}");
    let forwarded = "X-Forwarded-For: 192.0.2.7, 198.51.100.9\r\n";
    server.ask(&format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{forwarded}Connection: close\r\n\r\n"));
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let requests: Vec<_> = server.log.iter().filter(|line| line["message"] == "request").collect();
    let [get, code, db, bad, probe] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(
        (&get["method"], &get["route"], &get["status"]),
        (&json!("GET"), &json!("/api/notebooks/{id}"), &json!(200))
    );
    assert_eq!((&get["client"], &probe["client"]), (&json!("127.0.0.1"), &json!("127.0.0.1")));
    assert_eq!(code["route"], "/api/notebooks/{id}/cells/{cell_id}");
    assert_eq!((&db["level"], &db["user"]), (&json!("INFO"), &json!("local")));
    assert_eq!((&bad["level"], &bad["status"]), (&json!("WARN"), &json!(422)));
    assert!(bad["ms"].is_f64() && bad["request_id"].is_string(), "{bad}");
    for line in &server.log {
        let line = line.to_string();
        assert!(!line.contains("hunter2") && !line.contains("secret_source") && !line.contains(&cell), "{line}");
    }
}

#[test]
fn a_cell_that_makes_the_parser_panic_is_one_line_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let standard_error = dir.path().join("stderr");
    let mut command = quire_server();
    command.args(["--port", "0", "--notebooks-dir"]).arg(dir.path().join("notebooks")).env("RUST_BACKTRACE", "1");
    let mut server = Server::spawn(command.stderr(fs::File::create(&standard_error).unwrap()));
    let cell = server.first_cell("/api/notebooks/blank");
    server.put(&format!("/api/notebooks/blank/cells/{cell}"), &json!({"code": "x = lambda\n?x"}));
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let panics: Vec<_> = server.log.iter().filter(|line| line["message"] == "panicked").collect();
    let [panic] = panics.as_slice() else { panic!("{:?}", server.log) };
    assert!(panic["at"].is_string() && panic["reason"].is_string(), "{panic}");
    assert_eq!(fs::read_to_string(standard_error).unwrap(), "");
}

#[test]
fn behind_a_trusted_proxy_the_log_names_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::with(dir.path(), &["--trusted-proxies", "2"]);
    for forwarded in ["6.6.6.6, 192.0.2.7, 198.51.100.9", "6.6.6.6, hunter2, 198.51.100.9", "198.51.100.9"] {
        let request =
            format!("GET /livez HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {forwarded}\r\nConnection: close\r\n\r\n");
        assert_eq!(server.ask(&request).status, 200);
    }
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let clients: Vec<_> =
        server.log.iter().filter(|line| line["message"] == "request").map(|line| line["client"].clone()).collect();
    assert_eq!(clients, ["192.0.2.7", "127.0.0.1", "127.0.0.1"]);
}
