//! The thread that polls the directory for changes from outside.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::Engine;

/// Minimum pause between scans, as a multiple of the time that the last scan took.
const MIN_PAUSE_FACTOR: u32 = 20;

/// The polling thread. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct FilePoller {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FilePoller {
    pub(crate) fn start(engine: Arc<Engine>, every: Duration) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("quire-files".into()).spawn(move || {
            let mut pause = every;
            let mut failing = false;
            // The sender is dropped with the poller.
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let start = Instant::now();
                let restored = engine.check_root().and_then(|()| engine.restore_directories());
                let done = restored.and_then(|()| Ok(engine.scan()?));
                pause = every.max(start.elapsed() * MIN_PAUSE_FACTOR);
                if let (Err(error), false) = (&done, failing) {
                    let error = error as &dyn std::error::Error;
                    tracing::warn!(error, "cannot scan the notebooks' directory for changes");
                }
                failing = done.is_err();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for FilePoller {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it has been printed
        }
    }
}
