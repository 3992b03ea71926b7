//! The signals that a guardian waits for.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal of a child that has ended.
pub(super) struct ChildSignal(Signal);

/// The signals that ask a process to end.
pub(super) struct StopSignals([Signal; 3]);

impl ChildSignal {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::child())?))
    }

    /// Waits until a child may have ended. Cancel safe.
    pub(super) async fn wait(&mut self) {
        let _ = self.0.recv().await;
    }
}

impl StopSignals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?]))
    }

    /// Waits for one. Cancel safe.
    pub(super) async fn wait(&mut self) {
        let [terminate, interrupt, hang_up] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
