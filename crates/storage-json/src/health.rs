//! Health checks of the disk, on a thread of their own: the runtime's threads for blocking work may all wait for the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use quire_storage::Health;
use tokio::sync::watch;

use crate::calls::Calls;
use crate::engine::Engine;

/// The thread that checks. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct HealthCheck {
    /// Requests another check after the one in flight; one request serves all callers that wait.
    requests: SyncSender<()>,
    /// Number of checks that have begun.
    begun: Arc<AtomicU64>,
    /// The number and the result of the last check that has ended.
    found: watch::Receiver<(u64, Health)>,
}

impl HealthCheck {
    pub(crate) fn start(engine: &Arc<Engine>, calls: &Arc<Calls>) -> io::Result<Self> {
        let (requests, requested) = sync_channel(1);
        let (told, found) = watch::channel((0, Engine::bad_health()));
        let begun = Arc::new(AtomicU64::new(0));
        let (engine, calls, begins) = (Arc::downgrade(engine), Arc::clone(calls), Arc::clone(&begun));
        thread::Builder::new().name("quire-health".into()).spawn(move || {
            while requested.recv().is_ok() {
                let number = begins.fetch_add(1, Ordering::SeqCst) + 1;
                // Not held between checks, and counted as a call, so that dropping the store lets go of the directory.
                let call = calls.begin(|| engine.upgrade());
                let Some(health) = call.engine().map(Engine::health) else { return };
                drop(call);
                told.send_replace((number, health));
            }
        })?;
        Ok(Self { requests, begun, found })
    }

    /// Waits for a check that begins after now.
    pub(crate) async fn ask(&self) -> Health {
        let before = self.begun.load(Ordering::SeqCst);
        // A request that waits already serves this caller too.
        let _ = self.requests.try_send(());
        let mut found = self.found.clone();
        let found = found.wait_for(|(number, _)| *number > before).await;
        found.map_or_else(|_ended| Engine::bad_health(), |found| found.1.clone())
    }
}
