//! A server that listens, and a scripted client of its WebSockets.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use futures_util::{SinkExt as _, StreamExt as _};
use quire_api::{Api, SocketSettings};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::Server;

/// Time limit of a test's waits, beyond which the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server that listens on a port of its own.
pub(crate) struct Listening {
    pub(crate) server: Server,
    pub(crate) api: Api,
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl Listening {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A server with other settings for its sockets.
    pub(crate) fn with(change: impl FnOnce(&mut SocketSettings)) -> Self {
        let mut server = Server::start();
        change(&mut server.settings.sockets);
        Self::of(server)
    }

    pub(crate) fn of(server: Server) -> Self {
        let api = server.api();
        let app = api.clone();
        let running = HttpServer::new(move || app.app())
            .workers(2)
            .max_connections(5_000)
            .disable_signals()
            .shutdown_timeout(0)
            .bind("127.0.0.1:0")
            .unwrap();
        let address = running.addrs()[0];
        let running = running.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        Self { server, api, address, handle }
    }

    /// The notebook that a path of the HTTP API names, as a socket's path.
    pub(crate) fn socket_path(notebook: &str) -> String {
        notebook.replace("/api/", "/api/ws/")
    }

    /// A connected client that has said nothing.
    pub(crate) async fn connect(&self, notebook: &str) -> Client {
        Client::connect(self.address, &Self::socket_path(notebook), &[]).await.unwrap()
    }

    /// A client that has signed in and watches: its events begin here.
    pub(crate) async fn watch(&self, notebook: &str) -> Client {
        let mut client = self.connect(notebook).await;
        client.sign_in().await;
        client.is_served().await;
        client
    }

    pub(crate) async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

/// A client of one socket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn connect(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        // A fixed window, so that the server soon feels a client that does not read.
        let stream = TcpSocket::new_v4().unwrap();
        stream.set_recv_buffer_size(128 * 1024).unwrap();
        let stream = stream.connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self { socket })
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Returns the next frame that is no ping or pong.
    pub(crate) async fn next(&mut self) -> Message {
        let next = async {
            loop {
                match self.socket.next().await.expect("the connection ended without a word").unwrap() {
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => return other,
                }
            }
        };
        tokio::time::timeout(SOON, next).await.expect("nothing came")
    }

    /// The next message.
    ///
    /// Not one that tells which cells are stale: nearly every edit brings some, and they have tests of their own.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            let message = self.hear_any().await;
            if message["type"] != "cell_stale" {
                return message;
            }
        }
    }

    /// The next message of any type.
    pub(crate) async fn hear_any(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next messages but for their positions, which are of this server.
    pub(crate) async fn hear_many(&mut self, count: usize) -> Vec<Value> {
        let mut heard = Vec::new();
        for _ in 0..count {
            let mut message = self.hear().await;
            message.as_object_mut().unwrap().remove("seq").unwrap();
            heard.push(message);
        }
        heard
    }

    pub(crate) async fn sign_in(&mut self) {
        self.say(&json!({"type": "authenticate", "token": "any"})).await;
        assert_eq!(self.hear().await, json!({"type": "authenticated", "user_id": "me"}));
    }

    /// Waits until everything said so far has been seen to, and nothing was answered to it.
    pub(crate) async fn is_served(&mut self) {
        self.say_text("no message").await;
        assert_eq!(self.hear().await["type"], "error");
    }

    /// The code with which the server closes the socket, and the text of an error just before.
    pub(crate) async fn end(&mut self) -> (u16, Option<String>) {
        let mut error = None;
        loop {
            match self.next().await {
                Message::Text(text) => {
                    let text: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!((&text["type"], &error), (&json!("error"), &None), "{text}");
                    error = Some(text["message"].as_str().unwrap().to_owned());
                }
                Message::Close(Some(reason)) => {
                    let after = tokio::time::timeout(SOON, self.socket.next()).await.expect("still open");
                    assert!(!matches!(after, Some(Ok(_))), "{after:?}");
                    return (reason.code.into(), error);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
