//! Signals that end the process, and a limit on the time that its end takes, whatever its other threads do.
//!
//! A separate thread waits for signals, because all other threads may be blocked.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Exit code of a process that was told to stop twice.
const AT_ONCE: i32 = 1;
/// Exit code of a process that did not stop in time, as of `timeout`.
const TOO_LATE: i32 = 124;
/// Time-out for writing the last log line: the log itself may be what blocks the process.
const LAST_LINE: Duration = Duration::from_millis(200);

/// Signals with which the operating system ends a process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Begins to listen to signals. The returned receiver gets the name of the first signal. The process ends at once when
/// a second signal comes, or after `within` if it has not ended by then.
///
/// # Errors
/// If the thread cannot be started or the signals cannot be registered.
pub(crate) fn listen(within: Duration) -> io::Result<oneshot::Receiver<&'static str>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ((first, told), (ready, is_ready)) = (oneshot::channel(), mpsc::sync_channel(1));
    let watch = move || {
        runtime.block_on(async {
            let signals = Signals::new();
            let mut signals = match signals {
                Ok(signals) => {
                    let _ = ready.send(Ok(())); // the receiver waits
                    signals
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let signal = signals.next().await;
            let _ = first.send(signal); // during the start nothing may be waiting
            match timeout(within, signals.next()).await {
                Ok(signal) => exit(AT_ONCE, move || tracing::error!(signal, "told to stop again: ending at once")),
                Err(_elapsed) => exit(TOO_LATE, || tracing::error!("did not stop in time: ending at once")),
            }
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    is_ready.recv().unwrap_or_else(|_gone| Err(io::Error::other("the thread that waits for signals has ended")))?;
    Ok(told)
}

/// Ends the process, even if the line cannot be written.
fn exit(code: i32, log: impl FnOnce() + Send + 'static) {
    let (written, is_written) = mpsc::sync_channel(1);
    let line = std::thread::Builder::new().spawn(move || {
        log();
        let _ = written.send(()); // the receiver may have timed out
    });
    if line.is_ok() {
        let _ = is_written.recv_timeout(LAST_LINE); // the process ends even if it fails
    }
    std::process::exit(code);
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
