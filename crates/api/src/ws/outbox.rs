//! The queue of messages to a client.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::web::Bytes;
use actix_ws::{CloseReason, Closed, Item, Session};
use bytestring::ByteString;

use super::end::End;
use super::event_messages::Messages;
use super::flow::Flow;
use crate::limiters::socket_limiter::SocketPermit;

/// Maximum bytes of a frame. The library copies each frame for each socket.
const MAX_FRAME: usize = 64 * 1024;

/// The messages that wait until the client has read those before them.
pub(crate) struct Outbox {
    session: Session,
    flow: Rc<Flow>,
    texts: VecDeque<ByteString>,
    /// The rest of a message of which a part has been sent.
    begun: Option<Bytes>,
    /// The event of the messages: its bytes are reserved until the last has been sent.
    event: Option<Arc<Messages>>,
    /// The last ping without a pong: only the last must be answered (RFC 6455, 5.5.3).
    pong: Option<Bytes>,
}

impl Outbox {
    pub(crate) fn new(session: Session, flow: Rc<Flow>) -> Self {
        Self { session, flow, texts: VecDeque::new(), begun: None, event: None, pong: None }
    }

    /// Holds the socket's permit as long as there is a connection.
    pub(crate) fn hold_permit(&self, permit: SocketPermit) {
        self.flow.hold_permit(permit);
    }

    /// Appends a message.
    pub(crate) fn push(&mut self, text: ByteString) {
        self.texts.push_back(text);
    }

    /// Appends the messages of an event without the first `seen`.
    pub(crate) fn push_event(&mut self, event: Arc<Messages>, seen: usize) {
        self.texts.extend(event.texts.iter().skip(seen).cloned());
        self.event = Some(event);
    }

    /// Queues the pong of a ping.
    pub(crate) fn pong(&mut self, ping: Bytes) {
        self.pong = Some(ping);
    }

    /// Returns whether all messages have been given to the connection. Until then the socket reads nothing from the client and
    /// takes no event, so that a client that does not read costs no more than this queue.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.begun.is_none()
    }

    /// Sends messages as long as there is room.
    pub(crate) async fn send(&mut self) -> Result<(), End> {
        while self.flow.has_room() {
            let sent = if let Some(ping) = self.pong.take() {
                self.flow.give(ping.len());
                self.session.pong(&ping).await
            } else if let Some(rest) = self.begun.take() {
                self.go_on(rest).await
            } else if let Some(text) = self.texts.pop_front() {
                self.begin(text).await
            } else {
                self.event = None;
                return Ok(());
            };
            sent.map_err(gone)?;
        }
        Ok(())
    }

    /// Sends a message, or the first part of a large one.
    async fn begin(&mut self, text: ByteString) -> Result<(), Closed> {
        if text.len() <= MAX_FRAME {
            self.flow.give(text.len());
            return self.session.text(text).await;
        }
        let mut bytes = text.into_bytes();
        let first = bytes.split_to(MAX_FRAME);
        self.begun = Some(bytes);
        self.flow.give(first.len());
        self.session.continuation(Item::FirstText(first)).await
    }

    /// Sends the next part of a large message.
    async fn go_on(&mut self, mut rest: Bytes) -> Result<(), Closed> {
        let next = rest.split_to(rest.len().min(MAX_FRAME));
        self.flow.give(next.len());
        if rest.is_empty() {
            return self.session.continuation(Item::Last(next)).await;
        }
        self.begun = Some(rest);
        self.session.continuation(Item::Continue(next)).await
    }

    /// Waits until there may be room; for ever if the queue is empty.
    pub(crate) async fn room(&self) {
        if self.is_empty() && self.pong.is_none() {
            return std::future::pending().await;
        }
        self.flow.taken().await;
    }

    /// Sends a ping, unless messages are in flight: a client that reads them shows by that that it is alive.
    pub(crate) async fn ping(&mut self) -> Result<(), End> {
        if self.flow.has_room() {
            self.flow.give(0);
            self.session.ping(b"").await.map_err(gone)?;
        }
        Ok(())
    }

    /// Sends the last message and the close frame. Queued messages are dropped: the client will resume or read again.
    pub(crate) async fn close(self, last: Option<ByteString>, reason: Option<CloseReason>) {
        let mut session = self.session;
        // The library's queue has room for these two. Errors are ignored, because the client may be gone. A message that has been
        // sent in part cannot be followed by another.
        if let Some(text) = last.filter(|_| self.begun.is_none()) {
            let _ = session.text(text).await;
        }
        if let Some(reason) = reason {
            let _ = session.close(Some(reason)).await;
        }
    }
}

fn gone(_: Closed) -> End {
    End::gone()
}
