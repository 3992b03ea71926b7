//! A hostile user and a neighbour: while the one attacks, the other goes on as if nothing were.
//!
//! An attack is one row of [`ATTACKS`]. It keeps its connections until its [`Siege`] is dropped, and says what it was answered.

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

/// Connections that an attack has at once, unless more are the attack.
pub const CONNECTIONS: usize = 16;
/// What stands for the end of a connection without a word among answers.
pub const ENDED: u16 = 0;

/// What the attacks go beyond. The memory is three times what the notebook of the largest of them takes.
const LIMITS: [&str; 8] =
    ["--max-connections", "240", "--ws-max-sockets", "160", "--ws-max-per-user", "20", "--memory-mib", "160"];

/// One way to hold up, fill up or stop the server.
#[derive(Debug)]
pub struct Attack {
    /// What a table calls it.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&Attacker<'_>) -> Siege,
    /// The documented answer that it must get at least once: a status, a close code, or [`ENDED`].
    pub answer: u16,
    /// What else it may be answered.
    pub others: &'static [u16],
}

/// An attack under way.
#[derive(Debug, Default)]
pub struct Siege {
    /// What was answered, by connection or request.
    pub answers: Vec<u16>,
    /// The connections, which stay open so long.
    pub held: Vec<Wire>,
}

impl Siege {
    /// What an attack with one answer got; without one, it was let through.
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

/// The user who is to notice nothing.
#[derive(Debug)]
pub struct Neighbour<'a> {
    server: &'a Server,
    token: String,
    notebook: String,
    cell: String,
    /// What the socket hears; a thread reads it, as a client does, and so gives its signs of life during an attack.
    messages: Receiver<Value>,
    edits: usize,
}

/// Starts a server for both, with these arguments.
#[must_use]
pub fn server(arguments: &[&str]) -> Server {
    start(Command::new(crate::binary("quire-server")), arguments)
}

/// Starts such a server with an address space of so many bytes at most (`RLIMIT_AS`): where it needs more, it ends.
#[must_use]
pub fn server_within(bytes: u64, arguments: &[&str]) -> Server {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -v "$1" && shift && exec "$@""#, "sh", &(bytes / 1024).to_string()]);
    // Each of the allocator's arenas reserves 64 MiB of addresses, which count without being memory.
    command.env("MALLOC_ARENA_MAX", "2").arg(crate::binary("quire-server"));
    start(command, arguments)
}

fn start(mut command: Command, arguments: &[&str]) -> Server {
    command.env("CLERK_ISSUER", token::ISSUER).env("CLERK_JWT_KEY", token::PEM);
    command.args(LIMITS).args(arguments);
    Server::spawn(command)
}

/// Bytes of memory that the server has.
#[must_use]
pub fn resident_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory is told");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib * 1024
}

impl<'a> Attacker<'a> {
    /// The attacker of this server.
    #[must_use]
    pub fn of(server: &'a Server) -> Self {
        Self { server, token: token::of("mallory") }
    }

    /// A new connection.
    #[must_use]
    pub fn connect(&self) -> Wire {
        Wire::connect(self.server.address(), &self.token)
    }

    /// A socket of one's own notebook, which has not signed in.
    #[must_use]
    pub fn socket(&self) -> Wire {
        let mut wire = self.connect();
        wire.upgrade("blank");
        wire
    }

    /// A socket that has signed in and watches this notebook.
    #[must_use]
    pub fn watch(&self, notebook: &str) -> Wire {
        let mut wire = self.connect();
        wire.upgrade(notebook);
        wire.authenticate();
        wire
    }

    /// Sends a request on a connection of its own, and returns status and body.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut wire = self.connect();
        wire.request(method, path, body);
        wire.answer()
    }

    /// A new notebook of these cells, and how its import was answered if it was not made.
    ///
    /// # Errors
    /// The status of the refusal.
    pub fn import(&self, cells: &[String]) -> Result<String, u16> {
        let (status, answer) = self.ask("POST", "/api/notebooks/import", &file(cells));
        answer["notebook_id"].as_str().map(str::to_owned).ok_or(status)
    }
}

/// A notebook of these cells as a file.
fn file(cells: &[String]) -> String {
    let cell = |(place, code)| json!({"id": format!("c{place}"), "type": "python", "code": code});
    let cells: Vec<_> = cells.iter().enumerate().map(cell).collect();
    json!({"id": "n", "name": "large", "cells": cells}).to_string()
}

impl<'a> Neighbour<'a> {
    /// A neighbour with a notebook and a socket that watches it.
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

    /// Reads the notebook. Returns `false` when that was refused as too slow or too much, which is the server's fault.
    #[must_use]
    pub fn read(&self) -> bool {
        let (status, notebook) = self.ask("GET", &format!("/api/notebooks/{}", self.notebook), "");
        is_served(status, &notebook)
    }

    /// Edits the notebook. Returns `false` when that was refused as [`Self::read`] may be.
    #[must_use]
    pub fn edit(&mut self) -> bool {
        let path = format!("/api/notebooks/{}/cells/{}", self.notebook, self.cell);
        let (status, answer) = self.ask("PUT", &path, &json!({"code": format!("x = {}", self.edits + 1)}).to_string());
        let is_served = is_served(status, &answer);
        self.edits += usize::from(is_served);
        is_served
    }

    /// Hears of the last edit, and of nothing else before it.
    pub fn hear(&mut self) {
        let heard = self.messages.recv().expect("a message comes");
        assert_eq!(heard["cell"]["code"], format!("x = {}", self.edits), "{heard}");
    }

    /// Asks as a load balancer does whether the server lives.
    pub fn probe(&self) {
        let (status, answer) = self.ask("GET", "/livez", "");
        assert_eq!(status, 200, "{answer}");
    }
}

fn is_served(status: u16, answer: &Value) -> bool {
    assert!(matches!(status, 200 | 408 | 503), "{status}: {answer}");
    status == 200
}
