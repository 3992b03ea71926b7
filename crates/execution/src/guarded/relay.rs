//! The server's ear at a guardian: it relays what that tells, and sees to it that nothing is left when it has ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::process::{Child, ChildStdout};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::admission::Permit;
use super::{orphans, spawner};
use crate::frame::{self, Notice};
use crate::kernel::KernelEvent;

/// Time for a guardian to end its kernel, before it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a guardian to tell of the end of an execution that is interrupted. It needs 5 s for a kernel that does not react.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(8);
const NO_REACTION: &str = "the kernel did not react when it was interrupted, and was killed";

/// What the server expects of a guardian, and by when.
#[derive(Debug, Default)]
pub(super) struct Expectation {
    state: Mutex<Expected>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Expected {
    is_executing: bool,
    /// The time by which what is executed has ended.
    ends_by: Option<Instant>,
}

impl Expectation {
    pub(super) fn begin(&self) {
        *self.state.lock() = Expected { is_executing: true, ends_by: None };
    }

    pub(super) fn interrupt(&self) {
        let mut state = self.state.lock();
        if state.is_executing && state.ends_by.is_none() {
            state.ends_by = Some(Instant::now() + INTERRUPT_TIMEOUT);
            self.changed.notify_one();
        }
    }

    fn end(&self) {
        *self.state.lock() = Expected::default();
    }

    /// Leaves the time to the guardian that it was not listened to.
    fn extend(&self, by: Duration) {
        let ends_by = &mut self.state.lock().ends_by;
        *ends_by = ends_by.map(|ends_by| ends_by + by);
    }

    /// Waits until the guardian is late.
    async fn is_missed(&self) {
        loop {
            let ends_by = self.state.lock().ends_by;
            match ends_by {
                Some(ends_by) if ends_by <= Instant::now() => return,
                Some(ends_by) => tokio::time::sleep_until(ends_by).await,
                None => self.changed.notified().await,
            }
        }
    }
}

/// What is to be done with what a guardian tells.
pub(super) struct Relay {
    pub(super) events: Option<mpsc::Sender<KernelEvent>>,
    pub(super) started: Option<oneshot::Sender<()>>,
    pub(super) memory_bytes: Arc<AtomicU64>,
    pub(super) expectation: Arc<Expectation>,
    pub(super) guardian_program: PathBuf,
    pub(super) directory: PathBuf,
    /// The kernel counts until it is gone.
    pub(super) _permit: Arc<Permit>,
}

impl Relay {
    /// Relays all that the guardian tells, and sees to it that nothing is left when it has ended.
    pub(super) async fn run(mut self, output: ChildStdout, mut guardian: Child) {
        let is_late = self.relay(output).await;
        self.memory_bytes.store(0, Ordering::Relaxed);
        // The caller learns of the end at once; what is below takes some milliseconds more.
        self.events = None;
        let timeout = if is_late { Duration::ZERO } else { END_TIMEOUT };
        let ended = tokio::time::timeout(timeout, guardian.wait()).await;
        if !matches!(ended, Ok(Ok(status)) if status.success()) {
            tracing::warn!(?ended, "the guardian of a kernel did not end well; what it has left is killed");
            let _ = guardian.kill().await;
            orphans::kill_all().await;
        }
        if self.directory.symlink_metadata().is_ok()
            && let Err(error) = spawner::remove(&self.guardian_program, &self.directory).await
        {
            tracing::warn!(%error, directory = %self.directory.display(), "the directory of a kernel cannot be removed");
        }
    }

    /// Relays until the guardian has told all. Returns `true` if it did not do in time what was expected.
    async fn relay(&mut self, mut output: ChildStdout) -> bool {
        let expectation = Arc::clone(&self.expectation);
        let caller = self.events.as_ref().map(mpsc::Sender::downgrade);
        let unwanted = async {
            // Once the caller is gone, the guardian sees the end of its input.
            if let Some(events) = caller.and_then(|caller| caller.upgrade()) {
                events.closed().await;
            }
            tokio::time::sleep(END_TIMEOUT).await;
        };
        tokio::pin!(unwanted);
        loop {
            let notice = tokio::select! {
                notice = frame::read(&mut output) => notice,
                () = expectation.is_missed() => {
                    self.end(NO_REACTION.to_owned()).await;
                    return true;
                }
                () = &mut unwanted => return true,
            };
            match notice {
                Ok(Some(Notice::Started)) => drop(self.started.take().map(|started| started.send(()))),
                Ok(Some(Notice::Usage { memory_bytes })) => self.memory_bytes.store(memory_bytes, Ordering::Relaxed),
                // Nothing comes after it.
                Ok(Some(Notice::Ended(reason))) => {
                    self.end(reason).await;
                    return false;
                }
                Ok(Some(notice)) => {
                    if matches!(notice, Notice::Finished(..)) {
                        expectation.end();
                    }
                    let since = Instant::now();
                    if let Some(event) = notice.into_event() {
                        self.tell(event).await;
                    }
                    expectation.extend(since.elapsed());
                }
                Ok(None) => return false,
                Err(error) => {
                    self.end(format!("what the kernel's guardian tells cannot be read: {error}")).await;
                    return true;
                }
            }
        }
    }

    /// Tells the last event.
    async fn end(&mut self, reason: String) {
        self.tell(KernelEvent::Ended(reason)).await;
        self.events = None;
    }

    async fn tell(&mut self, event: KernelEvent) {
        let Some(events) = &self.events else { return };
        if events.send(event).await.is_err() {
            // Nobody is left who wants to know; the guardian has seen the end of its input.
            self.events = None;
        }
    }
}
