//! A client that costs little, and the notebooks that benchmarks of the HTTP API read and edit.
#![allow(dead_code, reason = "each benchmark uses a part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use quire_tests::Server;
use serde_json::json;

pub(crate) const CELLS: usize = 20;
pub(crate) const CELL_BYTES: usize = 600;
/// Lifts the limit on a user's requests, because one user makes all of them.
pub(crate) const UNLIMITED: [&str; 2] = ["--requests-per-second", "0"];

/// Returns a request that gives a cell new code.
pub(crate) fn put((id, cell): &(String, String)) -> Vec<u8> {
    let body = json!({ "code": "x".repeat(CELL_BYTES) }).to_string();
    let head = format!("PUT /api/notebooks/{id}/cells/{cell} HTTP/1.1\r\nHost: localhost\r\n");
    format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Creates a notebook with cells of the right size; returns its id and that of one cell.
pub(crate) fn notebook(server: &Server) -> (String, String) {
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

/// Returns a GET request.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// Returns the requests per second that have succeeded. Each address has a connection and a thread, which repeats its request. A
/// server may refuse one with 503, as it does when too many others edit the same notebook.
pub(crate) fn rate(run: Duration, requests: &[(&str, Vec<u8>)]) -> f64 {
    let (answered, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for (address, request) in requests {
            let (answered, stop) = (&answered, &stop);
            scope.spawn(move || {
                let mut connection = Connection::to(address);
                while !stop.load(Ordering::Relaxed) {
                    let status = connection.exchange(request).0;
                    assert!([200, 503].contains(&status), "{status}");
                    answered.fetch_add(u64::from(status == 200), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(run);
        stop.store(true, Ordering::Relaxed);
    });
    answered.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// A keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to this address.
    pub(crate) fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 1 << 20] }
    }

    /// Sends a request and reads the whole answer: status and body.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
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

/// Starts the bare handler: this program again, which must call [`bare`] when its arguments are `--bare` and a file.
pub(crate) fn start_bare(file: &Path) -> Server {
    let mut bare = Command::new(std::env::current_exe().unwrap());
    bare.arg("--bare").arg(file);
    Server::spawn(bare)
}

/// Runs the bare handler: the same framework and number of workers, without work.
pub(crate) fn bare(file: &str) {
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
