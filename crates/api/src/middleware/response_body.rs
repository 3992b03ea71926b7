//! The body of a response, with the guards that are held until it has been sent: the request's counts, the reserved bytes, and
//! the payload of a chunked request.
//!
//! The payload is held because of the HTTP library. When a response has been sent before a chunked request body has arrived,
//! the library waits for the rest of it without a timeout, and a client that stops sending holds the connection for ever. If
//! the payload still exists when the response has been sent, the library closes the connection after a short while, as it does
//! with bodies of announced length.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::web::Bytes;
use futures_util::Stream;

use crate::connection::handle::ActiveRequest;
use crate::limiters::byte_budget::Hold;
use crate::limiters::in_flight::RequestInFlight;
use crate::response::MAX_CHUNK_BYTES;

/// The payload of a chunked request, shared by the extractor that reads it and the response.
#[derive(Clone)]
pub(crate) struct SharedPayload(Rc<RefCell<Payload>>);

impl SharedPayload {
    /// Shares the request's payload if it is chunked.
    pub(crate) fn take(request: &mut ServiceRequest) -> Option<Self> {
        if !request.headers().contains_key(TRANSFER_ENCODING) {
            return None;
        }
        let payload = Self(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream { payload: Box::pin(payload.clone()) });
        Some(payload)
    }
}

impl Stream for SharedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// Guards that a response holds until it has been sent.
#[expect(dead_code, reason = "each releases what it holds when it is dropped")]
pub(crate) struct ResponseGuards {
    pub(crate) in_flight: Option<RequestInFlight>,
    pub(crate) active: Option<ActiveRequest>,
    /// The request's count among those of its user.
    pub(crate) request_hold: Option<Hold>,
    pub(crate) payload: Option<SharedPayload>,
    pub(crate) bytes: Option<Hold>,
}

/// Maximum chunks sent in a row before other connections of the thread are polled.
const MAX_CHUNKS_IN_A_ROW: u8 = 4;

/// Wraps a body, which is sent in chunks and holds the guards until it has been sent.
pub(crate) fn guarded(body: BoxBody, guards: ResponseGuards) -> BoxBody {
    BoxBody::new(GuardedBody { body, rest: Bytes::new(), in_a_row: 0, _guards: guards })
}

struct GuardedBody {
    body: BoxBody,
    /// Bytes of the inner body that have not been sent yet.
    rest: Bytes,
    in_a_row: u8,
    _guards: ResponseGuards,
}

impl MessageBody for GuardedBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        if self.in_a_row == MAX_CHUNKS_IN_A_ROW {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.in_a_row += 1;
        let chunk = self.rest.len().min(MAX_CHUNK_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(chunk))))
    }
}
