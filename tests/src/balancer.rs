//! A load balancer in front of several servers.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A proxy that gives each new connection to the next of its servers. Connections stay where they are when the servers are
/// replaced, as those of a balancer that drains a server do.
#[derive(Debug)]
pub struct Balancer {
    address: String,
    servers: Arc<Mutex<Vec<String>>>,
}

impl Balancer {
    /// Starts a balancer on a free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it has an address").to_string();
        let servers: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = Arc::clone(&servers);
        // The thread ends with the test's process, because no client connects after the test.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut servers = all.lock().unwrap_or_else(PoisonError::into_inner);
                if !servers.is_empty() {
                    servers.rotate_left(1);
                }
                let servers = servers.clone();
                std::thread::spawn(move || pass(&client, &servers));
            }
        });
        Self { address, servers }
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Replaces the servers that get new connections.
    pub fn lead_to(&self, servers: &[&str]) {
        let servers = servers.iter().map(|server| (*server).to_owned()).collect();
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }
}

/// Passes a connection's bytes on, to the first of these servers that accepts it.
fn pass(client: &TcpStream, servers: &[String]) {
    let Some(server) = servers.iter().find_map(|server| TcpStream::connect(server).ok()) else { return };
    for stream in [client, &server] {
        let _ = stream.set_nodelay(true); // a failure only makes it slower
    }
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to); // a side that has gone ends the connection
        let _ = to.shutdown(Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
        // A client that does not close a connection that the server has closed must not keep it.
        let _ = client.shutdown(Shutdown::Read);
    });
}
