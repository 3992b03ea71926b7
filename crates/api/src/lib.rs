//! The HTTP API: routes, wire types, errors. It names no store, and decides nothing about notebooks: that is the service's part.
//!
//! A request passes the `middleware`, which gives it an id, signs it in, writes the body of errors, and logs it. Then a handler
//! extracts its input, makes one call of the service, and maps the result to a wire type.
//!
//! Each module imports only those below it, which `tests/it/layers.rs` checks:
//!
//! ```text
//! openapi                        the description of all routes
//! handlers, ws                   one file for each group of routes; WebSockets
//! middleware                     sign-in, error bodies, headers, the log
//! idempotency, extract           what handlers take from a request
//! app_state, limiters, settings  what all requests share
//! auth, connection, response …   tokens and users; the client's connection
//! wire                           bodies of requests and responses
//! problem                        errors
//! ```
//!
//! Served in a test, without a network:
//!
//! ```
//! # actix_web::rt::System::new().block_on(async {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use actix_web::test::{TestRequest, call_service, init_service};
//! use quire_api::{Api, Authenticator, Settings, SocketSettings};
//! use quire_service::NotebookService;
//! use quire_storage_json::JsonNotebookStore;
//!
//! let folder = tempfile::tempdir()?;
//! let store = JsonNotebookStore::open(folder.path(), Default::default())?;
//! let service = NotebookService::new(Arc::new(store), Default::default())?;
//! let settings = Settings {
//!     authenticator: Authenticator::development(quire_domain::UserId::new("ann")?),
//!     allowed_origins: Vec::new(),
//!     request_limit: None,
//!     trusted_proxies: 0,
//!     body_timeout: Duration::from_secs(30),
//!     request_timeout: Duration::from_secs(30),
//!     sockets: SocketSettings::default(),
//!     user_requests: 64,
//!     body_bytes: Settings::BODY_BYTES,
//!     response_bytes: Settings::RESPONSE_BYTES,
//! };
//! let api = Api::new(service, settings);
//! let request = TestRequest::post().uri("/api/notebooks").insert_header(("Host", "localhost")).to_request();
//! assert_eq!(call_service(&init_service(api.app()).await, request).await.status(), 200);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

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
mod request_id;
mod response;
mod response_cache;
mod settings;
mod wire;
mod ws;

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, HttpResponse, web};
use quire_service::NotebookService;

use crate::app_state::AppState;
use crate::problem::{Code, Problem};
use crate::ws::Sockets;

pub use crate::auth::{AuthError, Authenticator, ClerkKeys, ClerkSettings, InvalidClerk, InvalidToken, SignedIn};
pub use crate::connection::client_timeout::ClientTimeout;
pub use crate::connection::handle::ConnectionHandle;
pub use crate::settings::{ByteLimit, RequestLimit, Settings, SocketSettings};

/// The API over one service. A clone is the same API.
#[derive(Clone, Debug)]
pub struct Api {
    state: Arc<AppState>,
    sockets: Arc<Sockets>,
}

impl Api {
    /// Makes an API over this service.
    #[must_use]
    pub fn new(service: NotebookService, settings: Settings) -> Self {
        Self { state: Arc::new(AppState::new(service, settings)), sockets: Arc::default() }
    }

    /// Returns the application that each worker of a server runs.
    #[must_use]
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + use<>,
    > {
        let state = Arc::clone(&self.state);
        App::new()
            .app_data(web::Data::from(Arc::clone(&self.state)))
            .app_data(web::Data::from(Arc::clone(&self.sockets)))
            // The HTTP library tries routes in their order, and each with a parameter by a regular expression: what clients
            // request most often comes first.
            .configure(handlers::health::configure)
            .configure(handlers::import_export::configure_import)
            .configure(handlers::notebooks::configure)
            .configure(handlers::cells::configure)
            .configure(handlers::graph::configure)
            .configure(handlers::runs::configure)
            .configure(handlers::import_export::configure_export)
            .configure(handlers::search::configure)
            .configure(ws::configure)
            .configure(openapi::configure)
            .configure(handlers::pages::configure)
            .default_service(web::to(unknown_route))
            .wrap(from_fn(move |request, next| middleware::pass(Arc::clone(&state), request, next)))
    }

    /// Begins to shut down: every response closes its connection, `/readyz` is 503, and WebSockets are closed. Returns when no
    /// request is in flight and no socket is open.
    pub async fn drain(&self) {
        self.sockets.stop();
        self.state.in_flight.drain().await;
    }
}

async fn unknown_route() -> Result<HttpResponse, Problem> {
    Err(Problem::new(Code::UnknownRoute, "There is no such route."))
}
