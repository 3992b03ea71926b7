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

pub use crate::auth::{AuthError, Authenticator, ClerkKeys, ClerkSettings, InvalidClerk, Refusal, SignedIn};
pub use crate::connection::client_timeout::Patience;
pub use crate::connection::handle::ConnectionHandle;
pub use crate::settings::{ByteLimit, RequestLimit, Settings, SocketSettings};

/// The API over one service. A clone is the same API.
#[derive(Clone, Debug)]
pub struct Api {
    shared: Arc<AppState>,
    sockets: Arc<Sockets>,
}

impl Api {
    /// An API over this service.
    #[must_use]
    pub fn new(service: NotebookService, settings: Settings) -> Self {
        Self { shared: Arc::new(AppState::new(service, settings)), sockets: Arc::default() }
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
            .app_data(web::Data::from(Arc::clone(&self.sockets)))
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
        self.sockets.stop();
        self.shared.in_flight.drain().await;
    }
}

async fn unknown_route() -> Result<HttpResponse, Problem> {
    Err(Problem::new(Code::UnknownRoute, "There is no such route."))
}
