//! What a client is about to be told.

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

/// Bytes of a message that are sent in one frame. The library copies each frame whole for each socket.
const MAX_FRAME: usize = 64 * 1024;

/// The messages that wait for the client to read those before them.
pub(crate) struct Outbox {
    session: Session,
    flow: Rc<Flow>,
    texts: VecDeque<ByteString>,
    /// What the client has been sent only a part of.
    begun: Option<Bytes>,
    /// The event that the texts are of: its bytes count until the last has been sent.
    event: Option<Arc<Messages>>,
    /// The last ping that has not been answered: answering that one is enough (RFC 6455, 5.5.3).
    pong: Option<Bytes>,
}

impl Outbox {
    pub(crate) fn new(session: Session, flow: Rc<Flow>) -> Self {
        Self { session, flow, texts: VecDeque::new(), begun: None, event: None, pong: None }
    }

    /// Keeps the socket's place as long as there is a connection.
    pub(crate) fn keep(&self, permit: SocketPermit) {
        self.flow.keep(permit);
    }

    /// Puts a message behind the others.
    pub(crate) fn push(&mut self, text: ByteString) {
        self.texts.push_back(text);
    }

    /// Puts the messages of an event behind the others, but for the first `seen`.
    pub(crate) fn push_event(&mut self, event: Arc<Messages>, seen: usize) {
        self.texts.extend(event.texts.iter().skip(seen).cloned());
        self.event = Some(event);
    }

    /// Answers a ping, when there is room for it.
    pub(crate) fn answer(&mut self, ping: Bytes) {
        self.pong = Some(ping);
    }

    /// Whether all messages are on their way. Until then nothing more is read from the client nor taken from the events,
    /// so that a client that does not read costs no more than what is here.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.begun.is_none()
    }

    /// Sends as much as there is room for.
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

    /// Waits until there may be room, if something waits for that.
    pub(crate) async fn room(&self) {
        if self.is_empty() && self.pong.is_none() {
            return std::future::pending().await;
        }
        self.flow.taken().await;
    }

    /// Asks the client for a sign of life; one that still has to read other things will give one by that.
    pub(crate) async fn ping(&mut self) -> Result<(), End> {
        if self.flow.has_room() {
            self.flow.give(0);
            self.session.ping(b"").await.map_err(gone)?;
        }
        Ok(())
    }

    /// Says the last thing. What still waits is not sent: the client will begin anew.
    pub(crate) async fn close(self, last: Option<ByteString>, reason: Option<CloseReason>) {
        let mut session = self.session;
        // There always is room for these two. A client that is gone need not hear them. In the middle of a message, there is
        // no place for another.
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
