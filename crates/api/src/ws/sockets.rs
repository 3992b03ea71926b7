//! State that all WebSockets of the API share.

use tokio::sync::watch;

use super::event_messages::EventMessageCache;

/// What all sockets share.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(super) event_messages: EventMessageCache,
    pub(super) stopping: watch::Sender<bool>,
}

impl Sockets {
    /// Tells every socket to end.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }
}
