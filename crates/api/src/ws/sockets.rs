//! State that all WebSockets of the API share.

use tokio::sync::watch;

use super::event_messages::EventMessageCache;

/// State of all sockets.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(super) event_messages: EventMessageCache,
    pub(super) stopping: watch::Sender<bool>,
}

impl Sockets {
    /// Ends every socket.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }
}
