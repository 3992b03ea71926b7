//! The HTTP API: routes, wire types, errors. It names no store and decides nothing about notebooks; that is the
//! service's.
//!
//! A request passes the `envelope`, which gives it an id, asks the `guard` who is calling, words errors, and
//! writes the log line; then a handler, which extracts, makes one call, and maps the answer.

mod app_state;
mod auth;
mod connection;
mod etag;
mod extract;
mod handlers;
mod idempotency;
mod limiters;
mod middleware;
mod openapi;
mod problem;
mod response;
mod response_cache;
mod settings;
mod wire;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, HttpResponse, web};
use quire_service::NotebookService;

use crate::app_state::AppState;
use crate::problem::{Code, Problem};

pub use crate::auth::{AuthError, Authenticator, ClerkKeys, ClerkSettings, InvalidClerk, Refusal, SignedIn};
pub use crate::connection::client_timeout::Patience;
pub use crate::connection::handle::ConnectionHandle;
pub use crate::limiters::byte_budget::ByteLimit;
pub use crate::limiters::request_rate::RequestLimit;
pub use crate::settings::SocketSettings;

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Says who is calling.
    pub authenticator: Authenticator,
    /// The origins whose pages may use the API, as browsers write them: scheme, host, and port if it is not the usual.
    pub allowed_origins: Vec<String>,
    /// How many requests a user may make; without it, any number.
    pub request_limit: Option<RequestLimit>,
    /// Number of proxies in front of the server whose entries in `X-Forwarded-For` are believed. With 0, the client is the
    /// connection's peer.
    pub trusted_proxies: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// How long the service may take over a request, once the body is there.
    pub request_timeout: Duration,
    /// How WebSockets behave.
    pub sockets: SocketSettings,
    /// Number of requests of one user that may be under way at once, from their heads to the ends of their answers, so that
    /// no user holds all connections. WebSockets have a limit of their own.
    pub user_requests: usize,
    /// Bytes that may be held of bodies that are being received, but for the first 64 KiB of each.
    pub body_bytes: ByteLimit,
    /// Bytes that may be held of answers and messages that are being sent, but for those that have 64 KiB at most.
    pub answer_bytes: ByteLimit,
}

impl Settings {
    /// The usual limit on the bytes of bodies: three of the largest for each user.
    pub const BODY_BYTES: ByteLimit = ByteLimit { server: 128 << 20, user: 48 << 20 };
    /// The usual limit on the bytes of answers.
    pub const ANSWER_BYTES: ByteLimit = ByteLimit { server: 256 << 20, user: 64 << 20 };
}

/// The API over one service. A clone is the same API.
#[derive(Clone, Debug)]
pub struct Api {
    shared: Arc<AppState>,
}

impl Api {
    /// An API over this service.
    #[must_use]
    pub fn new(service: NotebookService, settings: Settings) -> Self {
        Self { shared: Arc::new(AppState::new(service, settings)) }
    }

    /// The application that a server runs, one in each of its workers.
    #[must_use]
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + use<>,
    > {
        let shared = Arc::clone(&self.shared);
        App::new()
            .app_data(web::Data::from(Arc::clone(&self.shared)))
            .configure(handlers::health::configure)
            // Before the notebooks, so that `import` is no notebook's id.
            .configure(handlers::import_export::configure)
            .configure(handlers::notebooks::configure)
            .configure(handlers::cells::configure)
            .configure(handlers::graph::configure)
            .configure(handlers::search::configure)
            .configure(ws::configure)
            .configure(openapi::configure)
            .configure(handlers::pages::configure)
            .default_service(web::to(unknown_route))
            .wrap(from_fn(move |request, next| middleware::pass(Arc::clone(&shared), request, next)))
    }

    /// Begins to shut down: from now on every answer asks its client to connect anew elsewhere, `/readyz` says no, and
    /// WebSockets are told to. Returns when no request is being answered any more and no socket is open.
    pub async fn drain(&self) {
        self.shared.sockets.stop();
        self.shared.in_flight.drain().await;
    }
}

async fn unknown_route() -> Result<HttpResponse, Problem> {
    Err(Problem::new(Code::UnknownRoute, "There is no such route."))
}
