//! Listening for connections, as `actix_web::HttpServer` does, which offers no place for a limit on their silence.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use quire_api::Api;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpSocket;

use crate::config::Config;
use crate::connection::{Connection, TimeLimits};
use crate::connection_limiter::ConnectionLimiter;
use crate::options::Options;

/// Time-out for a client to close a connection that the server has ended.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of connections that the system queues until they are accepted.
const BACKLOG: u32 = 1024;

/// Takes the address, without listening yet.
///
/// # Errors
/// If the address is not available.
pub(crate) fn bind(config: &Config) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = if config.listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections that a server left behind when it ended must not prevent the next one from starting.
    socket.set_reuseaddr(true)?;
    socket.bind(config.listen)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Begins to listen.
///
/// # Errors
/// If the address is not available.
pub(crate) fn listen(socket: TcpSocket, api: &Api, config: &Config) -> io::Result<Server> {
    let listener = socket.listen(BACKLOG)?.into_std()?;
    let address = listener.local_addr()?;
    let connections = config.options.max_connections / config.options.workers();
    let server = Server::build()
        .workers(config.options.workers())
        .max_concurrent_connections(connections)
        // Requests have been awaited before the server is told to stop.
        .shutdown_timeout(1)
        .disable_signals();
    let stopping = server.graceful_shutdown_signal();
    let (api, options) = (api.clone(), config.options.clone());
    let send_limit = u32::try_from(options.send_timeout.as_millis()).unwrap_or(u32::MAX);
    let server = server.listen("http", listener, move || {
        let stopping = stopping.clone();
        let app = api.app().into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .keep_alive(options.keep_alive)
            .client_request_timeout(Duration::ZERO) // the connection has a limit of its own
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|connection: &Connection<TcpStream>, data| {
                data.insert(connection.handle().clone());
            })
            .local_addr(address)
            .h1(map_config(app, |()| AppConfig::default()));
        let limiter = ConnectionLimiter::new(connections);
        let limits = TimeLimits { silence: silence(&options), head: options.head_timeout, send: options.send_timeout };
        fn_service(move |stream: TcpStream| {
            let limiter = limiter.clone();
            async move {
                // The HTTP library would wait for ever: a client that reads nothing still acknowledges probes, which
                // keeps its connection alive (RFC 9293, section 3.8.6.1).
                set_tcp_user_timeout(&stream, send_limit).map_err(io::Error::from)?;
                let peer = stream.peer_addr().ok();
                let connection = Connection::new(stream, limits, &limiter);
                connection.handle().set_address(peer.map(|address| address.ip()));
                Ok((connection, peer))
            }
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

/// Returns the maximum time for which a working connection can be silent: waiting for a request, and all of its parts,
/// which are signing in, opening a notebook, and writing it as a file.
fn silence(options: &Options) -> Duration {
    options.keep_alive + options.head_timeout + options.body_timeout + 3 * options.request_timeout
}
