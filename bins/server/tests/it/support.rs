//! A server process, and raw connections to it.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Time-out for any operation before a test gives up; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<Value>,
    /// Log lines so far.
    pub(crate) log: Vec<Value>,
    pub(crate) port: u16,
}

/// Returns the binary with an empty environment.
pub(crate) fn quire_server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire-server"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Writes a notebook of 16 MiB, more than all buffers between a server and its client hold.
pub(crate) fn large_notebook(dir: &Path) {
    let code = "#".repeat(256 * 1024);
    let cells: Vec<_> = (0..64)
        .map(|n| serde_json::json!({"id": format!("c{n}"), "type": "python", "code": code, "reads": [], "writes": []}))
        .collect();
    let notebook = serde_json::json!({
        "id": "n", "user_id": "local", "name": null, "db_conn_string": null, "revision": 0, "cells": cells,
    });
    std::fs::write(dir.join("n.json"), notebook.to_string()).unwrap();
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::with(dir, &[])
    }

    pub(crate) fn with(dir: &Path, flags: &[&str]) -> Self {
        Self::spawn(quire_server().arg("--notebooks-dir").arg(dir).args(["--port", "0"]).args(flags))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.args(["--log-format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines() {
                // The test may have ended.
                let _ = sender.send(serde_json::from_str(&line.unwrap()).unwrap());
            }
        });
        let mut server = Self { child, lines, log: Vec::new(), port: 0 };
        let address = server.wait_for("listening")["address"].as_str().unwrap().to_owned();
        server.port = address.rsplit(':').next().unwrap().parse().unwrap();
        server
    }

    /// Waits for a log line with this message.
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            self.log.push(line.clone());
            if line["message"] == message {
                return line;
            }
        }
    }

    /// Waits until the log has had a line with this message; returns `false` if the process ends before.
    pub(crate) fn says(&mut self, message: &str) -> bool {
        while !self.log.iter().any(|line| line["message"] == message) {
            match self.lines.recv_timeout(2 * PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("no {message:?} in {:?}", self.log),
            }
        }
        true
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process has ended, and reads the rest of its log.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(line);
        }
        self.child.wait().unwrap()
    }

    /// As [`Self::wait`]; also returns the piped standard error.
    pub(crate) fn wait_with_error(&mut self) -> (ExitStatus, String) {
        let status = self.wait();
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (status, error)
    }

    pub(crate) fn connect(&self) -> Talk {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Talk(BufReader::new(stream))
    }

    /// Opens a WebSocket of a notebook, on a connection with a small receive buffer.
    pub(crate) fn socket(&self, notebook: &str) -> Talk {
        let mut talk = self.connect();
        set_socket_recv_buffer_size(talk.0.get_ref(), 4096).unwrap();
        talk.say(&format!(
            "GET /api/ws/notebooks/{notebook} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        assert_eq!(talk.head().status, 101);
        talk
    }

    /// Sends one request on its own connection.
    pub(crate) fn ask(&self, request: &str) -> Reply {
        let mut talk = self.connect();
        talk.say(request);
        talk.reply()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        ureq::get(self.url(path)).call().unwrap().body_mut().read_json().unwrap()
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Value {
        ureq::put(self.url(path)).send_json(body).unwrap().body_mut().read_json().unwrap()
    }

    pub(crate) fn first_cell(&self, notebook: &str) -> String {
        self.get(notebook)["cells"][0]["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection.
pub(crate) struct Talk(BufReader<TcpStream>);

/// An answer as received.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Talk {
    pub(crate) fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Reads the next answer's head.
    pub(crate) fn head(&mut self) -> Reply {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "the connection ended after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_lowercase(), body: String::new() }
    }

    /// Reads the next answer.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        reply.body = self.body(reply.header("content-length").map_or(0, |length| length.parse().unwrap()));
        reply
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Reads the chunked body after a head.
    pub(crate) fn chunks(&mut self) -> String {
        let mut body = String::new();
        loop {
            let mut length = String::new();
            self.0.read_line(&mut length).unwrap();
            let length = usize::from_str_radix(length.trim(), 16).unwrap();
            body.push_str(&self.body(length));
            assert_eq!(self.body(2), "\r\n");
            if length == 0 {
                return body;
            }
        }
    }

    /// Reads the body after a head.
    pub(crate) fn body(&mut self, length: usize) -> String {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Sends a text message on a WebSocket (RFC 6455, 5.2), masked with zeros.
    pub(crate) fn say_message(&mut self, message: &Value) {
        let text = message.to_string();
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let head = [&[0x81, 0x80 | 0x7e][..], &length, &[0; 4]].concat();
        self.0.get_mut().write_all(&[&head, text.as_bytes()].concat()).unwrap();
    }

    /// Reads the next message on a WebSocket, or the code with which it is closed.
    pub(crate) fn hear_message(&mut self) -> Result<Value, u16> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let length = match head[1] {
            0x7e => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                u16::from_be_bytes(length).into()
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        match head[0] {
            0x81 => Ok(serde_json::from_slice(&payload).unwrap()),
            0x88 => Err(u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("{other:x}"),
        }
    }

    /// Reads what the server sends until it ends the connection.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut bytes) {
            // A reset is also an end: the server had not read all sent bytes.
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Returns `true` if the server ends the connection without sending more.
    pub(crate) fn is_ended(&mut self) -> bool {
        // Unlike `read`, this continues when a signal interrupts it.
        let Err(error) = self.0.read_exact(&mut [0; 1]) else { return false };
        // A reset is also an end: the server had not read all sent bytes.
        matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}
