//! A socket, from its upgrade to its end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::ResponseError as _;
use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, ProtocolError, Session};
use bytestring::ByteString;
use quire_domain::{CellId, UserId};
use serde_json::Value;
use tokio::sync::watch;

use super::end::End;
use super::flow::Flow;
use super::frames::CheckedFrames;
use super::messages;
use super::outbox::Outbox;
use super::sockets::Sockets;
use crate::app_state::AppState;
use crate::limiters::socket_limiter::LimitReached;
use crate::problem::Problem;

/// Time limit for the client's close frame, after which the connection is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum requests to run a cell that wait until the service has queued them.
const MAX_RUNS: usize = 1_000;

/// A socket.
pub(crate) struct Socket {
    pub(crate) state: Arc<AppState>,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) stream: AggregatedMessageStream,
    frames: CheckedFrames,
    pub(crate) outbox: Outbox,
    pub(crate) stopping: watch::Receiver<bool>,
    /// The cells that the client has asked to run, until the service has queued them.
    pub(crate) runs: VecDeque<CellId>,
    /// The user, once the socket has signed in.
    pub(crate) user: Option<UserId>,
    /// Time of the last sign of life of the client.
    pub(crate) heard: Instant,
}

/// A message of the client, as opposed to a control frame.
pub(crate) enum Frame {
    Text(ByteString),
    Binary,
}

impl Socket {
    pub(crate) fn new(
        (state, sockets): (Arc<AppState>, Arc<Sockets>),
        session: Session,
        (stream, frames): (AggregatedMessageStream, CheckedFrames),
        flow: Rc<Flow>,
    ) -> Self {
        let stopping = sockets.stopping.subscribe();
        let outbox = Outbox::new(session, flow);
        Self {
            state,
            sockets,
            stream,
            frames,
            outbox,
            stopping,
            runs: VecDeque::new(),
            user: None,
            heard: Instant::now(),
        }
    }

    /// Serves the client until either side ends the socket. Returns whether both have sent a close frame: the server then closes
    /// the connection (RFC 6455, section 7.1.1).
    pub(crate) async fn run(mut self, address: Option<IpAddr>, path: String) -> bool {
        let began = Instant::now();
        let end = match self.serve(address, &path).await {
            Err(end) => end,
            Ok(never) => match never {},
        };
        let code = end.close.as_ref().map(|reason| u16::from(reason.code));
        let user = self.user.as_ref().map_or("-", UserId::as_str);
        tracing::info!(user, code, seconds = began.elapsed().as_secs(), "socket closed");
        let last = end.message.and_then(|message| messages::error(&message).ok());
        self.outbox.close(last, end.close).await;
        if end.is_clients {
            return true;
        }
        // The connection is closed only when the client has read the close frame: closing it while the client still sends would
        // make the client's system discard what it has not read.
        timeout(CLOSE_TIMEOUT, self.frames.discard()).await.unwrap_or(false)
    }

    async fn serve(&mut self, address: Option<IpAddr>, path: &str) -> Result<Infallible, End> {
        let settings = &self.state.settings.sockets;
        let pending = self.state.socket_limiter.admit(address, settings).map_err(limit_reached)?;
        let (permit, signed_in, resume) = self.sign_in(pending).await?;
        self.outbox.hold_permit(permit);
        self.user = Some(signed_in.user.clone());
        self.outbox.push(messages::authenticated(signed_in.user.as_str()).map_err(unwritable)?);
        self.outbox.send().await?;
        self.watch(path, signed_in, resume).await
    }

    /// Takes a request to run a cell. What is no valid id names no cell, and gets no answer.
    pub(crate) fn queue_run(&mut self, cell: &Value) -> Result<(), End> {
        let Some(cell) = cell.as_str().and_then(|cell| CellId::new(cell).ok()) else { return Ok(()) };
        if self.runs.len() == MAX_RUNS {
            return Err(End::overloaded("Too many runs wait on this socket; send more when some have begun."));
        }
        self.runs.push_back(cell);
        Ok(())
    }

    /// Handles control frames, and returns the message of another frame.
    pub(crate) fn received(
        &mut self,
        frame: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<Option<Frame>, End> {
        let frame = frame.ok_or_else(End::gone)?.map_err(|error| match (self.frames.refused(), error) {
            (Some(CloseCode::Size), _) | (None, ProtocolError::Overflow) => {
                End::unreadable(CloseCode::Size, "A message may have 16 KiB at most.")
            }
            _ => End::unreadable(CloseCode::Protocol, "This is no frame that a client may send."),
        })?;
        self.heard = Instant::now();
        match frame {
            AggregatedMessage::Text(text) => return Ok(Some(Frame::Text(text))),
            AggregatedMessage::Binary(_) => return Ok(Some(Frame::Binary)),
            AggregatedMessage::Ping(ping) => self.outbox.pong(ping),
            AggregatedMessage::Pong(_) => {}
            AggregatedMessage::Close(reason) => return Err(End::by_client(reason)),
        }
        Ok(None)
    }
}

/// Waits until the server begins to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // If the sender is dropped, the server is gone too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

pub(crate) fn limit_reached(limit: LimitReached) -> End {
    End::overloaded(match limit {
        LimitReached::Server => "The server has as many sockets as it can hold; try again.",
        LimitReached::User => "You have as many sockets open as you may; close some.",
    })
}

/// The end of a socket whose message cannot be serialised.
pub(crate) fn unwritable(error: serde_json::Error) -> End {
    failed(&Problem::unwritable(error))
}

/// Returns the end of a socket that has this problem, and logs it.
pub(crate) fn failed(problem: &Problem) -> End {
    let message = problem.to_string();
    let failure = problem.chain();
    match problem.status_code() {
        _ if problem.name() == "shutting_down" => End::restart(),
        StatusCode::TOO_MANY_REQUESTS => {
            tracing::info!(code = problem.name(), "a socket was refused");
            End::overloaded(message)
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            tracing::warn!(code = problem.name(), failure, "a socket could not be served");
            End::overloaded(message)
        }
        status if status.is_server_error() => {
            tracing::error!(code = problem.name(), failure, "a socket could not be served");
            End::failed(message)
        }
        _ => {
            tracing::info!(code = problem.name(), failure, "a socket was refused");
            End::refused(message)
        }
    }
}
