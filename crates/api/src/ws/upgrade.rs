//! The upgrade of a request to a WebSocket.

use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::app_state::AppState;
use crate::connection::client_address::client_address;
use crate::connection::handle::ConnectionHandle;
use crate::problem::{Code, Problem};
use crate::response::{HandlerResult, resource};

use super::flow::{CountedBody, Flow};
use super::frames::{CheckedFrames, MAX_MESSAGE_BYTES};
use super::socket::Socket;
use super::sockets::Sockets;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    // Ids are not percent-encoded here, so one may hold a slash.
    config.service(resource("/api/ws/notebooks/{id:.+}", "GET").route(web::get().to(upgrade)));
}

/// Watches a notebook over a WebSocket.
///
/// The request must be an upgrade to a WebSocket (RFC 6455). It needs no token, because browsers can send none with it: the
/// first message signs in. `docs/websocket.md` describes all messages. The id is not percent-encoded, and may hold slashes.
#[utoipa::path(
    get,
    path = "/api/ws/notebooks/{id}",
    operation_id = "watchNotebook",
    tag = "Watching",
    security(()),
    params(("id" = String, Path, description = "The notebook's id; `blank` and `demo` stand for your own `blank-…` and `demo-…` notebooks.")),
    responses((status = 101, description = "The connection is a WebSocket now.")),
)]
pub(crate) async fn upgrade(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
    sockets: web::Data<Sockets>,
) -> HandlerResult {
    if state.in_flight.is_draining() {
        return Err(Problem::new(Code::ShuttingDown, "The server is shutting down.").after(5));
    }
    let mismatch = || {
        Problem::new(
            Code::BadRequest,
            "This route is for WebSockets (RFC 6455, version 13): the request upgrades to none.",
        )
    };
    let frames = CheckedFrames::new(payload.into_inner());
    let payload = web::Payload::from_request(&request, &mut Payload::Stream { payload: Box::pin(frames.clone()) });
    let payload = payload.await.map_err(|_never| mismatch())?;
    let (response, session, stream) = actix_ws::handle(&request, payload).map_err(|_mismatch| mismatch())?;
    let (over, is_over) = oneshot::channel();
    let flow = Rc::new(Flow::default());
    let response: HttpResponse =
        response.map_body(|_, body| BoxBody::new(CountedBody::new(body, Rc::clone(&flow), is_over)));
    let stream =
        stream.max_frame_size(MAX_MESSAGE_BYTES).aggregate_continuations().max_continuation_size(MAX_MESSAGE_BYTES);
    let peer = request.peer_addr().map(|address| address.ip());
    let address = client_address(peer, request.headers(), state.settings.trusted_proxies);
    let path = request.uri().path().strip_prefix("/api/ws/notebooks/").unwrap_or_default().to_owned();
    let connection = request.conn_data::<ConnectionHandle>().cloned();
    let socket = Socket::new((state.into_inner(), sockets.into_inner()), session, (stream, frames), flow);
    let entered = socket.state.in_flight.enter();
    actix_web::rt::spawn(async move {
        let is_closed = socket.run(address, path).await;
        if let (true, Some(connection)) = (is_closed, connection) {
            connection.hang_up();
        }
        drop((over, entered));
    });
    Ok(response)
}
