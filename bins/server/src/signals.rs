//! The signals that end the process, and its end in time whatever its other threads do.
//!
//! They are waited for on a thread of their own: where every other thread is held up, nothing else would notice them.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The exit code of a process that was told to stop twice.
const AT_ONCE: i32 = 1;
/// The exit code of a process that did not stop in its time, as `timeout` has it.
const TOO_LATE: i32 = 124;
/// How long the last line may take to be written: the log may be what holds everything up.
const LAST_LINE: Duration = Duration::from_millis(200);

/// What the operating system sends to end a process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Begins to listen to signals. The name of the first comes out of what is returned; the process ends by itself so long after it, if it
/// has not ended by then, or at once when another signal comes.
///
/// # Errors
/// When there is no thread, or no signal to be had.
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
            let _ = first.send(signal); // while it still starts, nobody may be waiting
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

/// Ends the process, whether or not the line can be written.
fn exit(code: i32, log: impl FnOnce() + Send + 'static) {
    let (written, is_written) = mpsc::sync_channel(1);
    let line = std::thread::Builder::new().spawn(move || {
        log();
        let _ = written.send(()); // nobody may be waiting any more
    });
    if line.is_ok() {
        let _ = is_written.recv_timeout(LAST_LINE); // either way
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
