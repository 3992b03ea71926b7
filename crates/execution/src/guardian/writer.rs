//! The task that tells the server what waits in the outbox.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::outbox::{Next, Outbox};
use crate::frame::{self, Notice};

/// Time for the server to take the last notices when it has closed the guardian's input.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Shared {
    outbox: Mutex<Outbox>,
    changed: Notify,
    closed: Mutex<bool>,
}

/// The outbox and its task. Adding to it never waits for the server.
pub(super) struct Writer {
    shared: Arc<Shared>,
    task: JoinHandle<io::Result<()>>,
}

impl Writer {
    pub(super) fn start(output: pipe::Sender) -> Self {
        let shared = Arc::<Shared>::default();
        Self { task: tokio::spawn(write(Arc::clone(&shared), output)), shared }
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Outbox) -> T) -> T {
        let result = change(&mut self.shared.outbox.lock());
        self.shared.changed.notify_one();
        result
    }

    /// Waits until all is told, or the server takes nothing any more, however slow it is. `reader` ends when the server closes the
    /// guardian's input.
    pub(super) async fn close(self, reader: JoinHandle<()>) {
        *self.shared.closed.lock() = true;
        self.shared.changed.notify_one();
        let unwanted = async {
            let _ = reader.await;
            tokio::time::sleep(CLOSE_TIMEOUT).await;
        };
        tokio::select! {
            _ = self.task => {}
            () = unwanted => {}
        }
    }
}

async fn write(shared: Arc<Shared>, mut output: pipe::Sender) -> io::Result<()> {
    loop {
        let next = shared.outbox.lock().next(Instant::now());
        match next {
            Next::Tell(notice) => match frame::encode(&notice) {
                Ok(frame) => output.write_all(&frame).await?,
                Err(error) => {
                    let reason = format!("what the kernel made cannot be told: {error}");
                    output.write_all(&frame::encode(&Notice::Ended(reason))?).await?;
                    return Err(error);
                }
            },
            Next::WaitUntil(due) => {
                tokio::select! {
                    () = shared.changed.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
            }
            Next::Nothing if *shared.closed.lock() => return Ok(()),
            Next::Nothing => shared.changed.notified().await,
        }
    }
}
