//! A hostile user and a neighbour: the attacks of the one must not affect the other.
//!
//! An attack is one row of [`ATTACKS`]. It keeps its connections until its [`Siege`] is dropped, and records the
//! answers that it got.

mod attacks;
mod token;
mod wire;

use std::fs;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};

use crate::Server;

pub use attacks::ATTACKS;
pub use wire::Wire;

/// Number of connections of an attack, unless a larger number is the attack.
pub const CONNECTIONS: usize = 16;
/// Stands among answers for a connection that ended without an answer.
pub const ENDED: u16 = 0;

/// Limits that the attacks exceed. The memory is three times that of the notebook of the largest attack.
const LIMITS: [&str; 8] =
    ["--max-connections", "240", "--ws-max-sockets", "160", "--ws-max-per-user", "20", "--memory-mib", "160"];

/// A way to slow down, fill up or stop the server.
#[derive(Debug)]
pub struct Attack {
    /// Name of the attack in a table.
    pub name: &'static str,
    /// Runs the attack once.
    pub run: fn(&Attacker<'_>) -> Siege,
    /// The documented answer that the attack must get at least once: a status, a close code, or [`ENDED`].
    pub answer: u16,
    /// Other permitted answers.
    pub others: &'static [u16],
}

/// An attack in progress.
#[derive(Debug, Default)]
pub struct Siege {
    /// Answers by connection or request.
    pub answers: Vec<u16>,
    /// Connections of the attack, which stay open as long as this value.
    pub held: Vec<Wire>,
}

impl Siege {
    /// Returns the result of an attack with one answer; without an answer, the attack was let through.
    fn of(answer: Option<u16>) -> Self {
        Self { answers: vec![answer.unwrap_or(200)], held: Vec::new() }
    }
}

/// The hostile user.
#[derive(Debug)]
pub struct Attacker<'a> {
    server: &'a Server,
    token: String,
}

/// The user who must not notice the attack.
#[derive(Debug)]
pub struct Neighbour<'a> {
    server: &'a Server,
    token: String,
    notebook: String,
    cell: String,
    /// Messages of the socket. A thread reads them, as a client does, and so keeps the connection alive during an
    /// attack.
    messages: Receiver<Value>,
    edits: usize,
}

/// Starts a server for both users, with these arguments.
#[must_use]
pub fn server(arguments: &[&str]) -> Server {
    start(Command::new(crate::binary("quire-server")), arguments)
}

/// Starts such a server with an address space of at most so many bytes (`RLIMIT_AS`); it ends if it needs more.
#[must_use]
pub fn server_within(bytes: u64, arguments: &[&str]) -> Server {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -v "$1" && shift && exec "$@""#, "sh", &(bytes / 1024).to_string()]);
    // Each of the allocator's arenas reserves 64 MiB of addresses, which count although they are not memory.
    command.env("MALLOC_ARENA_MAX", "2").arg(crate::binary("quire-server"));
    start(command, arguments)
}

fn start(mut command: Command, arguments: &[&str]) -> Server {
    command.env("CLERK_ISSUER", token::ISSUER).env("CLERK_JWT_KEY", token::PEM);
    command.args(LIMITS).args(arguments);
    Server::spawn(command)
}

/// Returns the resident memory of the server in bytes.
#[must_use]
pub fn resident_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory is told");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib * 1024
}

impl<'a> Attacker<'a> {
    /// Returns the attacker of this server.
    #[must_use]
    pub fn of(server: &'a Server) -> Self {
        Self { server, token: token::of("mallory") }
    }

    /// Opens a connection.
    #[must_use]
    pub fn connect(&self) -> Wire {
        Wire::connect(self.server.address(), &self.token)
    }

    /// Opens a socket of the user's own notebook, without signing in.
    #[must_use]
    pub fn socket(&self) -> Wire {
        let mut wire = self.connect();
        wire.upgrade("blank");
        wire
    }

    /// Opens a socket that has signed in and watches this notebook.
    #[must_use]
    pub fn watch(&self, notebook: &str) -> Wire {
        let mut wire = self.connect();
        wire.upgrade(notebook);
        wire.authenticate();
        wire
    }

    /// Sends a request on its own connection, and returns status and body.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut wire = self.connect();
        wire.request(method, path, body);
        wire.answer()
    }

    /// Imports a notebook of these cells and returns its id.
    ///
    /// # Errors
    /// Returns the status if the import is refused.
    pub fn import(&self, cells: &[String]) -> Result<String, u16> {
        let (status, answer) = self.ask("POST", "/api/notebooks/import", &file(cells));
        answer["notebook_id"].as_str().map(str::to_owned).ok_or(status)
    }
}

/// Returns a notebook of these cells as a file.
fn file(cells: &[String]) -> String {
    let cell = |(place, code)| json!({"id": format!("c{place}"), "type": "python", "code": code});
    let cells: Vec<_> = cells.iter().enumerate().map(cell).collect();
    json!({"id": "n", "name": "large", "cells": cells}).to_string()
}

impl<'a> Neighbour<'a> {
    /// Returns a neighbour with a notebook and a socket that watches it.
    #[must_use]
    pub fn of(server: &'a Server) -> Self {
        let token = token::of("ann");
        let mut wire = Wire::connect(server.address(), &token);
        wire.request("GET", "/api/notebooks/blank", "");
        let (_, notebook) = wire.answer();
        let text = |value: &Value| value.as_str().expect("the notebook is there").to_owned();
        let (id, cell) = (text(&notebook["id"]), text(&notebook["cells"][0]["id"]));
        let mut socket = Wire::connect(server.address(), &token);
        socket.upgrade(&id);
        socket.authenticate();
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            while let Some(message) = socket.next_message() {
                // The cell turns stale by its first edit.
                if message["type"] == "cell_stale" {
                    continue;
                }
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self { server, token, notebook: id, cell, messages, edits: 0 }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut wire = Wire::connect(self.server.address(), &self.token);
        wire.request(method, path, body);
        wire.answer()
    }

    /// Reads the notebook. Returns `false` if the server refused with 408 or 503, which is the server's fault.
    #[must_use]
    pub fn read(&self) -> bool {
        let (status, notebook) = self.ask("GET", &format!("/api/notebooks/{}", self.notebook), "");
        is_served(status, &notebook)
    }

    /// Edits the notebook. Returns `false` if the server refused with 408 or 503.
    #[must_use]
    pub fn edit(&mut self) -> bool {
        let path = format!("/api/notebooks/{}/cells/{}", self.notebook, self.cell);
        let (status, answer) = self.ask("PUT", &path, &json!({"code": format!("x = {}", self.edits + 1)}).to_string());
        let is_served = is_served(status, &answer);
        self.edits += usize::from(is_served);
        is_served
    }

    /// Waits for the event of the last edit, and checks that no other event comes before it.
    pub fn hear(&mut self) {
        let heard = self.messages.recv().expect("a message comes");
        assert_eq!(heard["cell"]["code"], format!("x = {}", self.edits), "{heard}");
    }

    /// Checks the server's liveness as a load balancer does.
    pub fn probe(&self) {
        let (status, answer) = self.ask("GET", "/livez", "");
        assert_eq!(status, 200, "{answer}");
    }
}

fn is_served(status: u16, answer: &Value) -> bool {
    assert!(matches!(status, 200 | 408 | 503), "{status}: {answer}");
    status == 200
}
