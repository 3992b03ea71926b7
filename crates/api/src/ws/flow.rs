//! Flow control of a socket. The library queues without a limit all that it is given, so that the messages for a client that
//! does not read would pile up. Bytes given to the library count until the connection takes them.

use std::cell::{Cell, OnceCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::limiters::socket_limiter::SocketPermit;

/// Bytes in flight from which on nothing is added. A single message may be larger.
const MAX_BYTES: usize = 64 * 1024;
/// Messages in flight from which on nothing is added. The library's queue has 32 places; some are left for pings and the close frame.
const MAX_MESSAGES: usize = 24;

/// The messages that were given to the library and not taken by the connection. The socket's task and its connection run on
/// one thread.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    messages: Cell<usize>,
    bytes: Cell<usize>,
    taken: Notify,
    /// The socket's permit. A client that reads nothing holds its connection for a while after its socket has ended; the permit
    /// is held as long.
    permit: OnceCell<SocketPermit>,
}

impl Flow {
    /// Counts a message of this many bytes.
    pub(crate) fn give(&self, bytes: usize) {
        self.messages.set(self.messages.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// Returns whether another message may be given.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.get() < MAX_BYTES && self.messages.get() < MAX_MESSAGES
    }

    /// Holds the permit until both the socket's task and its connection have ended.
    pub(crate) fn hold_permit(&self, permit: SocketPermit) {
        let _ = self.permit.set(permit); // a socket signs in once
    }

    fn take_all(&self) {
        self.messages.set(0);
        self.bytes.set(0);
        self.taken.notify_one();
    }

    /// Waits until the connection has taken a message.
    pub(crate) async fn taken(&self) {
        self.taken.notified().await;
    }
}

/// The response's body, which carries the frames to the client, with flow control.
///
/// It ends only when the socket's task has ended: until then the library goes on reading, so that the client's close frame is
/// received.
pub(crate) struct CountedBody {
    body: BoxBody,
    has_ended: bool,
    flow: Rc<Flow>,
    is_over: oneshot::Receiver<()>,
}

impl CountedBody {
    pub(crate) fn new(body: BoxBody, flow: Rc<Flow>, is_over: oneshot::Receiver<()>) -> Self {
        Self { body, has_ended: false, flow, is_over }
    }
}

impl MessageBody for CountedBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if !self.has_ended {
            let next = Pin::new(&mut self.body).poll_next(context);
            if next.is_ready() {
                // Each chunk holds everything that had been given before.
                self.flow.take_all();
            }
            let Poll::Ready(None) = next else { return next };
            self.has_ended = true;
        }
        Pin::new(&mut self.is_over).poll(context).map(|_over| None)
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        // The connection is gone. The socket's task, which may wait for room, finds that out by sending.
        self.flow.take_all();
    }
}
