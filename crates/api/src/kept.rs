//! What is kept until an answer has been sent: its request's place among those being answered, and the receiving end
//! of a body of chunks. The latter ends connections whose client does not finish its body.
//!
//! When an answer goes out before a body of chunks has come in, the HTTP library goes on waiting for the rest without
//! any limit of time, so that a client who stops sending holds the connection for ever. If the body's receiving end is
//! still there when the answer has been sent, the library instead ends the connection after a short while, as it does
//! with bodies of announced length. So it is kept there.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::web::Bytes;
use futures_util::Stream;

use crate::in_flight::Entered;

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

/// The body of an answer, which keeps these until it has been sent.
pub(crate) fn keep(body: BoxBody, entered: Option<Entered>, kept: Option<ReceivingEnd>) -> BoxBody {
    BoxBody::new(Answer { body, _entered: entered, _kept: kept })
}

struct Answer {
    body: BoxBody,
    _entered: Option<Entered>,
    _kept: Option<ReceivingEnd>,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
