//! What a client is about to be told.

use std::collections::VecDeque;
use std::rc::Rc;

use actix_web::web::Bytes;
use actix_ws::{CloseReason, Closed, Session};
use bytestring::ByteString;

use super::end::End;
use super::flow::Flow;
use super::seats::Seat;

/// The messages that wait for the client to read those before them.
pub(crate) struct Outbox {
    session: Session,
    flow: Rc<Flow>,
    texts: VecDeque<ByteString>,
    /// The last ping that has not been answered: answering that one is enough (RFC 6455, 5.5.3).
    pong: Option<Bytes>,
}

impl Outbox {
    pub(crate) fn new(session: Session, flow: Rc<Flow>) -> Self {
        Self { session, flow, texts: VecDeque::new(), pong: None }
    }

    /// Keeps the socket's place as long as there is a connection.
    pub(crate) fn keep(&self, seat: Seat) {
        self.flow.keep(seat);
    }

    /// Puts a message behind the others.
    pub(crate) fn push(&mut self, text: ByteString) {
        self.texts.push_back(text);
    }

    /// Answers a ping, when there is room for it.
    pub(crate) fn answer(&mut self, ping: Bytes) {
        self.pong = Some(ping);
    }

    /// Whether all messages are on their way. Until then nothing more is read from the client nor taken from the events,
    /// so that a client that does not read costs no more than what is here.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Sends as much as there is room for.
    pub(crate) async fn send(&mut self) -> Result<(), End> {
        while self.flow.has_room() {
            let sent = if let Some(ping) = self.pong.take() {
                self.flow.give(ping.len());
                self.session.pong(&ping).await
            } else if let Some(text) = self.texts.pop_front() {
                self.flow.give(text.len());
                self.session.text(text).await
            } else {
                return Ok(());
            };
            sent.map_err(gone)?;
        }
        Ok(())
    }

    /// Waits until there may be room, if something waits for that.
    pub(crate) async fn room(&self) {
        if self.texts.is_empty() && self.pong.is_none() {
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
        // There always is room for these two. A client that is gone need not hear them.
        if let Some(text) = last {
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
