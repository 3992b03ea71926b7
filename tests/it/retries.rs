//! Tests of clients that repeat a request because its answer was lost: with an `Idempotency-Key`, the request takes
//! effect once.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use quire_test_postgres::Database;
use quire_tests::Server;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SAVES: i64 = 1_000;
const TWINS: usize = 50;
const KILLS: u64 = 20;

/// Location of the notebooks of one server or several.
enum Store {
    Files(TempDir),
    Database(Runtime, Box<Database>),
}

impl Store {
    fn files() -> Self {
        Self::Files(tempfile::tempdir().unwrap())
    }

    fn database() -> Self {
        let runtime = Runtime::new().unwrap();
        let database = Box::new(runtime.block_on(Database::fresh()));
        Self::Database(runtime, database)
    }

    fn serve(&self) -> Server {
        match self {
            Self::Files(dir) => Server::on(dir.path()),
            Self::Database(_runtime, database) => Server::on_database(database.url()),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Reply {
    status: u16,
    is_replay: bool,
    body: Value,
}

impl Reply {
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }
}

/// Sends one request on its own connection; an error means that no complete answer came.
fn send(address: &str, method: &str, path: &str, key: &str, body: &Value) -> io::Result<Reply> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut connection = TcpStream::connect(address)?;
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    write!(
        connection,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: {key}\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let is_replay = head.to_ascii_lowercase().contains("\r\nidempotency-replayed: true");
    Ok(Reply { status, is_replay, body: serde_json::from_str(body)? })
}

/// A proxy in front of a server that drops an answer of the server on command.
struct Lossy {
    address: String,
    loses_next: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
}

impl Lossy {
    fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, to) = (listener.local_addr().unwrap().to_string(), server.address().to_owned());
        let (loses_next, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (losing, count) = (Arc::clone(&loses_next), Arc::clone(&lost));
        // The thread ends with the test's process, because no client connects after that.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let answer = pass_on(&client, &to).unwrap();
                if losing.swap(false, Ordering::SeqCst) {
                    assert!(answer.starts_with(b"HTTP/1.1 "), "the server has answered");
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = client.shutdown(Shutdown::Both); // the client may be gone
                } else {
                    (&client).write_all(&answer).unwrap();
                }
            }
        });
        Self { address, loses_next, lost }
    }
}

/// Passes one request to the server and returns its complete answer.
fn pass_on(client: &TcpStream, to: &str) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(client);
    let (mut request, mut length) = (String::new(), 0);
    while !request.ends_with("\r\n\r\n") {
        let start = request.len();
        reader.read_line(&mut request)?;
        if let Some(value) = request[start..].strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut server = TcpStream::connect(to)?;
    server.write_all(&[request.as_bytes(), &body].concat())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Creates a notebook; returns its path, and that of its cell.
fn notebook(server: &Server) -> (String, String) {
    let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let path = format!("/api/notebooks/{id}");
    let cell = server.ok("GET", &path, None)["cells"][0]["id"].as_str().unwrap().to_owned();
    (path.clone(), format!("{path}/cells/{cell}"))
}

fn saves_whose_answers_are_lost(store: &Store) {
    let server = store.serve();
    let lossy = Lossy::before(&server);
    let (path, cell) = notebook(&server);
    for save in 0..SAVES {
        let body = json!({"code": format!("save = {save}"), "expected_revision": save});
        let put = || send(&lossy.address, "PUT", &cell, &format!("save-{save}"), &body);
        lossy.loses_next.store(true, Ordering::SeqCst);
        put().expect_err("this answer is lost");
        let again = put().unwrap();
        assert!(again.is_replay, "{again:?}");
        assert_eq!(again.ok()["revision"], save + 1);
    }
    assert_eq!(lossy.lost.load(Ordering::SeqCst), usize::try_from(SAVES).unwrap());
    let found = server.ok("GET", &path, None);
    assert_eq!(
        (&found["revision"], &found["cells"][0]["code"]),
        (&json!(SAVES), &json!(format!("save = {}", SAVES - 1)))
    );
}

#[test]
fn a_thousand_saves_whose_answers_are_lost_are_a_thousand_revisions_in_files() {
    saves_whose_answers_are_lost(&Store::files());
}

#[test]
fn a_thousand_saves_whose_answers_are_lost_are_a_thousand_revisions_in_a_database() {
    saves_whose_answers_are_lost(&Store::database());
}

/// Sends identical requests concurrently to one server, or to two that share a database.
fn twins_at(servers: &[Server]) {
    let (path, cell) = notebook(&servers[0]);
    let at_once = |method: &'static str, path: String, body: Value| {
        let begin = Barrier::new(TWINS);
        let mut replies = std::thread::scope(|scope| {
            let twin = |number: usize| {
                let (begin, path, body) = (&begin, &path, &body);
                let address = servers[number % servers.len()].address();
                scope.spawn(move || {
                    begin.wait();
                    send(address, method, path, "twins", body).unwrap()
                })
            };
            let twins: Vec<_> = (0..TWINS).map(twin).collect();
            twins.into_iter().map(|twin| twin.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(replies.iter().filter(|reply| !reply.is_replay).count(), 1);
        let first = replies.pop().unwrap();
        assert!(replies.iter().all(|reply| (reply.status, &reply.body) == (200, &first.body)), "{first:?} {replies:?}");
        first.body
    };
    // The requests are one with an expected revision, one without, and two that create something.
    assert_eq!(at_once("PUT", cell.clone(), json!({"code": "1", "expected_revision": 0}))["revision"], 1);
    assert_eq!(at_once("PUT", format!("{cell}/type"), json!({"type": "sql"}))["revision"], 2);
    at_once("POST", format!("{path}/cells"), json!({"type": "python"}));
    at_once("POST", "/api/notebooks".to_owned(), Value::Null);
    let found = servers[0].ok("GET", &path, None);
    assert_eq!((&found["revision"], found["cells"].as_array().unwrap().len()), (&json!(3), 2));
    let all = servers[0].ok("GET", "/api/notebooks", None);
    assert_eq!(all["notebooks"].as_array().unwrap().len(), 4, "two, and the two that every user has");
}

#[test]
fn fifty_twins_at_once_are_one_edit() {
    twins_at(&[Store::files().serve()]);
}

#[test]
fn fifty_twins_at_two_servers_are_one_edit() {
    let store = Store::database();
    twins_at(&[store.serve(), store.serve()]);
}

/// Kills servers right after an answer, or at any moment before it. Tests that a later server gives the same answer as
/// the first one gave or would have given.
fn killed_servers(store: &Store) {
    let first = store.serve();
    let (path, cell) = notebook(&first);
    drop(first);
    for round in 0..KILLS {
        let server = store.serve();
        let save = json!({"code": format!("round = {round}"), "expected_revision": 2 * round});
        let put = |server: &Server| send(server.address(), "PUT", &cell, &format!("save-{round}"), &save);
        let added = send(server.address(), "POST", &format!("{path}/cells"), "never", &json!({"type": "nothing"}));
        assert_eq!(added.unwrap().status, 422);
        let answer = std::thread::scope(|scope| {
            let answer = scope.spawn(|| put(&server));
            if round % 2 == 1 {
                std::thread::sleep(Duration::from_micros(round * 397 % 6_000));
                server.signal(Signal::KILL);
            }
            answer.join().unwrap()
        });
        server.kill(); // waits too, because the next server is refused while this one runs
        let server = store.serve();
        let again = put(&server).unwrap();
        if let Ok(answer) = answer {
            assert!(again.is_replay, "round {round}");
            assert_eq!(answer.body, again.body, "round {round}");
        }
        assert_eq!(again.ok()["revision"], 2 * round + 1, "round {round}");
        let add =
            || send(server.address(), "POST", &format!("{path}/cells"), &format!("{round}"), &json!({"type": "sql"}));
        let added = add().unwrap().ok();
        assert_eq!(add().unwrap().ok(), added);
    }
    let server = store.serve();
    let found = server.ok("GET", &path, None);
    let cells = usize::try_from(KILLS).unwrap() + 1;
    assert_eq!((&found["revision"], found["cells"].as_array().unwrap().len()), (&json!(2 * KILLS), cells));
}

#[test]
fn a_server_that_is_killed_has_kept_its_answers_in_files() {
    killed_servers(&Store::files());
}

#[test]
fn a_server_that_is_killed_has_kept_its_answers_in_a_database() {
    killed_servers(&Store::database());
}
