//! The middleware around all routes: ids, sign-in, error bodies, common headers, the log line.

mod cors;
mod guard;
mod request_log;
mod response_body;

use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};

use crate::app_state::AppState;
use crate::connection::client_address::client_address;
use crate::connection::handle::ConnectionHandle;
use crate::extract::Caller;
use crate::limiters::byte_budget::Hold;
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::response::MAX_CHUNK_BYTES;
use crate::wire::problem_body;

pub(crate) use guard::PAGES;

use guard::Admitted;
use request_log::RequestLogLine;
use response_body::{ResponseGuards, SharedPayload, guarded};

/// Admits a request, calls its route, and completes the response.
pub(crate) async fn pass(
    state: Arc<AppState>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let in_flight = state.in_flight.enter();
    let active = request.conn_data::<ConnectionHandle>().map(ConnectionHandle::begin);
    let id = state.request_ids.next();
    let settings = &state.settings;
    let peer = request.peer_addr().map(|address| address.ip());
    let client = client_address(peer, request.headers(), settings.trusted_proxies);
    let connection = request.conn_data::<ConnectionHandle>().cloned();
    if let Some(connection) = &connection {
        connection.set_address(client);
        if connection.is_pipelined() {
            tokio::task::yield_now().await;
        }
    }
    let line = RequestLogLine::begin(request.method().clone(), id, client);
    let origin = guard::allowed_origin(request.headers(), &settings.allowed_origins).cloned();
    let payload = SharedPayload::take(&mut request);
    let mut request_hold = None;
    let response = match guard::admit(&request, &state).await.and_then(|admitted| {
        if let Admitted::User(Caller(user)) = &admitted {
            if let Some(connection) = &connection {
                connection.set_user(user);
            }
            request_hold = Some(state.hold_request(user)?);
        }
        Ok(admitted)
    }) {
        Err(problem) => Ok(request.error_response(problem)),
        Ok(Admitted::Preflight) => Ok(request.into_response(cors::preflight())),
        Ok(Admitted::Anonymous) => next.call(request).await,
        Ok(Admitted::User(caller)) => {
            request.extensions_mut().insert(caller);
            next.call(request).await
        }
    };
    // No route of this crate fails without a response of its own. If one does, the request is lost, but the guards are not.
    let (request, response) = match response.map(ServiceResponse::into_parts) {
        Ok((request, response)) => (Some(request), response),
        Err(error) => (None, HttpResponse::from_error(error)),
    };
    let (mut response, bytes) = reserve_bytes(&state, request.as_ref(), response);
    let failure = complete(&mut response, &line.id);
    cors::add_headers(response.headers_mut(), origin);
    if state.in_flight.is_draining() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    line.end(request.as_ref(), response.status(), failure.as_deref());
    // A WebSocket is counted by its own task, which gives up a client that does not read.
    let in_flight = (response.status() != StatusCode::SWITCHING_PROTOCOLS).then_some(in_flight);
    let response =
        response.map_body(|_, body| guarded(body, ResponseGuards { in_flight, active, request_hold, payload, bytes }));
    match request {
        Some(request) => Ok(ServiceResponse::new(request, response)),
        None => Err(InternalError::from_response("a route failed", response).into()),
    }
}

/// Reserves the bytes of a response whose body is complete in memory, or replaces it by a problem.
fn reserve_bytes(
    state: &AppState,
    request: Option<&HttpRequest>,
    mut response: HttpResponse<BoxBody>,
) -> (HttpResponse<BoxBody>, Option<Hold>) {
    let hold = response.extensions_mut().remove::<Hold>();
    // The response to a change is never replaced: the client would repeat a change that has happened.
    let is_read = request.is_some_and(|request| request.method().is_safe());
    if hold.is_some() || !is_read {
        return (response, hold);
    }
    let extensions = request.map(HttpRequest::extensions);
    let caller = extensions.as_ref().and_then(|extensions| extensions.get::<Caller>());
    match (response.body().size(), caller) {
        (BodySize::Sized(size), Some(Caller(user))) if size > MAX_CHUNK_BYTES as u64 => {
            match state.hold_response(user, usize::try_from(size).unwrap_or(usize::MAX)) {
                Ok(hold) => (response, Some(hold)),
                Err(problem) => (HttpResponse::from_error(problem), None),
            }
        }
        _ => (response, None),
    }
}

/// Adds the common headers, and the body of a problem. Returns the failure for the log.
fn complete(response: &mut HttpResponse<BoxBody>, id: &RequestId) -> Option<String> {
    let failure = if response.status() >= StatusCode::BAD_REQUEST { write_error(response, id) } else { None };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Responses are private to their user, except pages, which set the header themselves.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(HeaderName::from_static("x-request-id"), id.header());
    failure
}

/// Writes `application/problem+json` into an error response, including one of the HTTP library.
fn write_error(response: &mut HttpResponse<BoxBody>, id: &RequestId) -> Option<String> {
    let status = response.status();
    let of_library;
    let problem = match response.error().and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => problem,
        // The health check has a body of its own.
        None if response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json") => return None,
        None => {
            of_library = Problem::of_status(status);
            &of_library
        }
    };
    // A refused token is no failure, but only the log tells an operator why a client cannot sign in.
    let is_logged = status.is_server_error() || status == StatusCode::UNAUTHORIZED;
    let failure = is_logged.then(|| match problem.chain() {
        Some(chain) => format!("{}: {chain}", problem.name()),
        None => problem.name().to_owned(),
    });
    let (body, retry_after, allow) = (problem_body(problem, id.as_str()), problem.retry_after, problem.allow);
    let closes = problem.closes;
    *response = HttpResponse::new(status).set_body(body.boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
    }
    if let Some(methods) = allow {
        headers.insert(ALLOW, HeaderValue::from_static(methods));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if closes {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    failure
}
