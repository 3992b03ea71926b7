//! A connection that can send any bytes: HTTP, WebSocket, or neither.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::ENDED;

/// Time-out for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection of a user.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
    host: String,
    token: String,
}

impl Wire {
    /// Connects to a server as the user of this token; in development mode, any token will do.
    #[must_use]
    pub fn connect(address: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a limit can be set");
        Self { stream: BufReader::new(stream), host: address.to_owned(), token: token.to_owned() }
    }

    /// Sends bytes. A failure is ignored: if the server has ended the connection, the next answer tells its reason.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
    }

    /// Sends a head with these additional headers.
    pub fn head(&mut self, method: &str, path: &str, headers: &str) {
        let Self { host, token, .. } = self;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n");
        self.say(format!("{head}{headers}\r\n"));
    }

    /// Sends a request.
    pub fn request(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        self.head(method, path, &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
        self.say(body);
    }

    /// Returns the head of the next answer.
    fn next_head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if matches!(self.stream.read_line(&mut head), Ok(0) | Err(_)) {
                return None;
            }
        }
        Some(head.to_lowercase())
    }

    /// Returns the status of the next answer, whose body is not read; [`ENDED`] without one.
    pub fn status(&mut self) -> u16 {
        self.next_head().map_or(ENDED, |head| status(&head))
    }

    /// Returns the next answer.
    pub fn answer(&mut self) -> (u16, Value) {
        let Some(head) = self.next_head() else { return (ENDED, Value::Null) };
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let body = if header("transfer-encoding").is_some() {
            self.chunks()
        } else {
            let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
            self.bytes(length)
        };
        (status(&head), serde_json::from_slice(&body).unwrap_or_default())
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("what is announced comes");
        bytes
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a chunk comes");
            let length = usize::from_str_radix(line.trim(), 16).expect("it has a length");
            body.extend(self.bytes(length));
            self.bytes(2);
            if length == 0 {
                return body;
            }
        }
    }

    /// Upgrades the connection to a WebSocket of this notebook.
    pub fn upgrade(&mut self, notebook: &str) {
        let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        self.head("GET", &format!("/api/ws/notebooks/{notebook}"), headers);
        assert_eq!(self.status(), 101);
    }

    /// Signs in on a WebSocket, and waits until it watches the notebook.
    pub fn authenticate(&mut self) {
        let token = self.token.clone();
        self.text(&json!({"type": "authenticate", "token": token}));
        assert_eq!(self.message()["type"], "authenticated");
        self.text(&Value::Null);
        assert_eq!(self.message()["type"], "error");
    }

    /// Sends a text message on a WebSocket, masked with zeros.
    pub fn text(&mut self, message: &Value) {
        let text = message.to_string();
        let length = u16::try_from(text.len()).expect("a message is short").to_be_bytes();
        self.say([&[0x81, 0xFE][..], &length, &[0; 4], text.as_bytes()].concat());
    }

    /// Returns the next frame of a WebSocket: its first byte and its payload.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        let more = match head[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = self.bytes(more).iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let length = if more == 0 { usize::from(head[1]) } else { length };
        Some((head[0], self.bytes(length)))
    }

    /// Returns the next message of a WebSocket.
    pub fn message(&mut self) -> Value {
        self.next_message().expect("a message comes")
    }

    /// Returns the next message of a WebSocket; `None` if the connection has ended.
    pub fn next_message(&mut self) -> Option<Value> {
        Some(serde_json::from_str(&self.next_text()?).expect("a message is JSON"))
    }

    /// Returns the text of the next message of a WebSocket; `None` if the connection has ended.
    pub fn next_text(&mut self) -> Option<String> {
        match self.hear() {
            Ok(text) => Some(text),
            Err(ENDED) => None,
            Err(code) => panic!("the socket ends with {code}"),
        }
    }

    /// Returns the text of the next message of a WebSocket.
    ///
    /// # Errors
    /// The code with which it ends; [`ENDED`] without one.
    pub fn hear(&mut self) -> Result<String, u16> {
        let mut text = Vec::new();
        loop {
            let (first, payload) = self.frame().ok_or(ENDED)?;
            match first & 0x0F {
                0x0 | 0x1 => text.extend(payload),
                // The server closes the connection of a client that gives no sign of life for a minute.
                0x9 => {
                    self.say([0x8A, 0x80, 0, 0, 0, 0]);
                    continue;
                }
                0x8 => return Err(close_code(&payload)),
                _ => continue,
            }
            if first & 0x80 != 0 {
                return Ok(String::from_utf8(text).expect("a message is UTF-8"));
            }
        }
    }

    /// Returns the code with which a WebSocket ends, whatever comes before; [`ENDED`] without one.
    pub fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.hear() {
                return code;
            }
        }
    }
}

fn close_code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(ENDED, |code| u16::from_be_bytes(*code))
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status")
}
