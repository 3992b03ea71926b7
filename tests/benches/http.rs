//! Benchmark of the HTTP API: reads relative to a bare handler that sends the same bytes, writes relative to the disk's
//! own rate.
//!
//! Run with `cargo bench -p quire-tests --bench http`. The figures are of one run on one machine; only the ratios are
//! comparable.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on panics")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use quire_test_postgres::{Database, Pgbench, Server as Postgres, Settings};
use quire_tests::{Server, binary};
use serde_json::json;

const CONNECTIONS: usize = 16;
const CELLS: usize = 20;
const CELL_BYTES: usize = 600;
const RUN: Duration = Duration::from_secs(4);
/// Lifts the limit on a user's requests, because one user makes all of them.
const UNLIMITED: [&str; 2] = ["--requests-per-second", "0"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--bare") {
        bare(&arguments.next().unwrap());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(binary("quire-server"));
    command.arg("--notebooks-dir").arg(dir.path()).args(UNLIMITED);
    let server = Server::spawn(command);
    let notebooks: Vec<(String, String)> = (0..CONNECTIONS).map(|_| notebook(&server)).collect();
    let gets: Vec<Vec<u8>> = notebooks.iter().map(|(id, _)| get(&format!("/api/notebooks/{id}"))).collect();
    let (_, body) = Connection::to(server.address()).exchange(&gets[0]);
    let bytes = body.len();
    println!("{CONNECTIONS} connections, notebooks of {CELLS} cells of {CELL_BYTES} bytes ({bytes} bytes of JSON)");

    let file = dir.path().join("body");
    std::fs::write(&file, &body).unwrap();
    let mut bare = std::process::Command::new(std::env::current_exe().unwrap());
    let bare = {
        bare.arg("--bare").arg(&file);
        Server::spawn(bare)
    };
    // The two alternate, so that other load on the machine affects both.
    let (mut read, mut ceiling) = (0.0, 0.0);
    for _ in 0..3 {
        ceiling += rate(bare.address(), |_| get("/")) / 3.0;
        read += rate(server.address(), |n| gets[n].clone()) / 3.0;
    }
    println!("reads:  {read:.0}/s; bare handler {ceiling:.0}/s; ratio {:.2}", read / ceiling);

    let syncs = raw_syncs(dir.path(), bytes);
    let spread = rate(server.address(), |n| put(&notebooks[n]));
    let hot = rate(server.address(), |_| put(&notebooks[0]));
    println!("raw:    {syncs:.0}/s write and sync of {bytes} bytes, one after the other, on this disk");
    println!("writes: {spread:.0}/s on {CONNECTIONS} notebooks; ratio to raw {:.2}", spread / syncs);
    println!("writes: {hot:.0}/s on one hot notebook; ratio to raw {:.2}", hot / syncs);
    drop(server);
    database();
}

/// Measures the same writes with the notebooks in a database, relative to `pgbench` there.
fn database() {
    let postgres = Postgres::start(&Settings { fsync: true, ..Settings::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::on(&postgres));
    let yardstick = runtime.block_on(Pgbench::prepare(&database, CELL_BYTES));
    let mut command = std::process::Command::new(binary("quire-server"));
    command.env("DATABASE_URL", database.url()).args(["--database-connections", "16"]).args(UNLIMITED);
    let server = Server::spawn(command);
    let notebooks: Vec<(String, String)> = (0..CONNECTIONS).map(|_| notebook(&server)).collect();
    let (mut pgbench, mut spread, mut hot) = (0.0, 0.0, 0.0);
    for _ in 0..3 {
        pgbench += yardstick.rate(CONNECTIONS, RUN) / 3.0;
        spread += rate(server.address(), |n| put(&notebooks[n])) / 3.0;
        hot += rate(server.address(), |_| put(&notebooks[0])) / 3.0;
    }
    println!("pgbench: {pgbench:.0}/s prepared UPDATEs of an equal row, {CONNECTIONS} clients");
    println!("database: {spread:.0}/s writes on {CONNECTIONS} notebooks; ratio to pgbench {:.2}", spread / pgbench);
    println!("database: {hot:.0}/s writes on one hot notebook; ratio to pgbench {:.2}", hot / pgbench);
}

fn put((id, cell): &(String, String)) -> Vec<u8> {
    let body = json!({ "code": "x".repeat(CELL_BYTES) }).to_string();
    let head = format!("PUT /api/notebooks/{id}/cells/{cell} HTTP/1.1\r\nHost: localhost\r\n");
    format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Creates a notebook with cells of the right size; returns its id and that of one cell.
fn notebook(server: &Server) -> (String, String) {
    let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let mut cell = String::new();
    for n in 0..CELLS {
        let path = format!("/api/notebooks/{id}/cells");
        cell = if n == 0 {
            server.ok("GET", &format!("/api/notebooks/{id}"), None)["cells"][0]["id"].as_str().unwrap().to_owned()
        } else {
            server.ok("POST", &path, Some(&json!({"type": "python"})))["cell_id"].as_str().unwrap().to_owned()
        };
        let code = format!("value_{n} = value_{} + 1  # ", n.max(1) - 1);
        let code = format!("{code}{}", "é".repeat((CELL_BYTES - code.len()) / 2));
        server.ok("PUT", &format!("{path}/{cell}"), Some(&json!({ "code": code })));
    }
    (id, cell)
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// Returns the requests answered per second, by as many threads as there are connections.
fn rate(address: &str, request: impl Fn(usize) -> Vec<u8> + Sync) -> f64 {
    let (answered, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..CONNECTIONS {
            let (answered, stop, request) = (&answered, &stop, request(n));
            scope.spawn(move || {
                let mut connection = Connection::to(address);
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(connection.exchange(&request).0, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(RUN);
        stop.store(true, Ordering::Relaxed);
    });
    answered.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// A keep-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 1 << 20] }
    }

    /// Sends a request and reads the whole answer: status and body.
    fn exchange(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.stream.write_all(request).unwrap();
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            let answer = &self.buffer[..filled];
            let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&answer[..end]).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            let length = length.expect("answers say their length");
            if filled >= end + 4 + length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, answer[end + 4..end + 4 + length].to_vec());
            }
        }
    }
}

/// Returns the number of writes with sync of so many bytes to a file per second.
fn raw_syncs(dir: &Path, bytes: usize) -> f64 {
    let data = vec![b'x'; bytes];
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < RUN {
        let mut file = File::create(dir.join("raw")).unwrap();
        file.write_all(&data).unwrap();
        file.sync_all().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Runs the bare handler: the same framework and number of workers, without work.
fn bare(file: &str) {
    let body = web::Bytes::from(std::fs::read(file).unwrap());
    let server = HttpServer::new(move || {
        let body = body.clone();
        let send = move || {
            let body = body.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(body) }
        };
        App::new().default_service(web::to(send))
    });
    let server = server.workers(2).bind("127.0.0.1:0").unwrap();
    println!("listening on {}", server.addrs()[0]);
    actix_web::rt::System::new().block_on(server.run()).unwrap();
}
