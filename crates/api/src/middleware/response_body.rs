//! What is kept until an answer has been sent: its request's place among those being answered, what its bytes count, and the
//! receiving end of a body of chunks. The latter ends connections whose client does not finish its body.
//!
//! When an answer goes out before a body of chunks has come in, the HTTP library goes on waiting for the rest without
//! any limit of time, so that a client who stops sending holds the connection for ever. If the body's receiving end is
//! still there when the answer has been sent, the library instead ends the connection after a short while, as it does
//! with bodies of announced length. So it is kept there.

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

use crate::connection::handle::UnderWay;
use crate::limiters::byte_budget::Hold;
use crate::limiters::in_flight::RequestInFlight;
use crate::response::MAX_PIECE;

/// The receiving end of a body of chunks, shared by whoever reads it and the answer.
#[derive(Clone)]
pub(crate) struct ReceivingEnd(Rc<RefCell<Payload>>);

impl ReceivingEnd {
    /// Takes hold of the request's body if it comes in chunks.
    pub(crate) fn take(request: &mut ServiceRequest) -> Option<Self> {
        if !request.headers().contains_key(TRANSFER_ENCODING) {
            return None;
        }
        let kept = Self(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream { payload: Box::pin(kept.clone()) });
        Some(kept)
    }
}

impl Stream for ReceivingEnd {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// What an answer keeps until it has been sent.
#[expect(dead_code, reason = "each does its part when it is dropped")]
pub(crate) struct Kept {
    pub(crate) entered: Option<RequestInFlight>,
    pub(crate) under_way: Option<UnderWay>,
    /// The request's place among those of its user.
    pub(crate) request: Option<Hold>,
    pub(crate) receiving: Option<ReceivingEnd>,
    pub(crate) hold: Option<Hold>,
}

/// Pieces given before other connections of the thread have their turn.
const MAX_PIECES_IN_A_ROW: u8 = 4;

/// The body of an answer, which keeps these until it has been sent, and is sent piece by piece.
pub(crate) fn keep(body: BoxBody, kept: Kept) -> BoxBody {
    BoxBody::new(Answer { body, rest: Bytes::new(), in_a_row: 0, _kept: kept })
}

struct Answer {
    body: BoxBody,
    /// What has come out of the body and not been given on.
    rest: Bytes,
    in_a_row: u8,
    _kept: Kept,
}

impl MessageBody for Answer {
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
        if self.in_a_row == MAX_PIECES_IN_A_ROW {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.in_a_row += 1;
        let piece = self.rest.len().min(MAX_PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(piece))))
    }
}
