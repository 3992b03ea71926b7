//! How much is on its way to a client. The library takes all that it is given; a client that does not read would have
//! everything pile up for it. So what is given is counted, and goes on being counted until the connection takes it.

use std::cell::{Cell, OnceCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::limiters::socket_limiter::SocketPermit;

/// While so much is on its way, nothing is added. A message itself may be larger.
const MAX_BYTES: usize = 64 * 1024;
/// The library's queue has 32 places; some are left for pings and for the end.
const MAX_MESSAGES: usize = 24;

/// What has been given to the library and not been taken by the connection. The socket's task and its connection are on
/// one thread.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    messages: Cell<usize>,
    bytes: Cell<usize>,
    taken: Notify,
    /// The socket's place. A client that reads nothing holds its connection for a while after it has been given up; so long
    /// the place is not free.
    permit: OnceCell<SocketPermit>,
}

impl Flow {
    /// Counts a message of so many bytes.
    pub(crate) fn give(&self, bytes: usize) {
        self.messages.set(self.messages.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// Whether one more may be given.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.get() < MAX_BYTES && self.messages.get() < MAX_MESSAGES
    }

    /// Keeps the place until both the socket's task and its connection have ended.
    pub(crate) fn keep(&self, permit: SocketPermit) {
        let _ = self.permit.set(permit); // a socket signs in once
    }

    fn take_all(&self) {
        self.messages.set(0);
        self.bytes.set(0);
        self.taken.notify_one();
    }

    /// Waits until the connection has taken something.
    pub(crate) async fn taken(&self) {
        self.taken.notified().await;
    }
}

/// The answer's body, that is, what goes to the client.
///
/// It ends only when the socket's task has ended: until then the library goes on reading, so that the client's answer to the
/// end of its socket is seen.
pub(crate) struct Counted {
    body: BoxBody,
    has_ended: bool,
    flow: Rc<Flow>,
    is_over: oneshot::Receiver<()>,
}

impl Counted {
    pub(crate) fn new(body: BoxBody, flow: Rc<Flow>, is_over: oneshot::Receiver<()>) -> Self {
        Self { body, has_ended: false, flow, is_over }
    }
}

impl MessageBody for Counted {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if !self.has_ended {
            let next = Pin::new(&mut self.body).poll_next(context);
            if next.is_ready() {
                // Each piece is all that had been given before.
                self.flow.take_all();
            }
            let Poll::Ready(None) = next else { return next };
            self.has_ended = true;
        }
        Pin::new(&mut self.is_over).poll(context).map(|_over| None)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // The connection is gone. Whoever waits for room finds that out by sending.
        self.flow.take_all();
    }
}
