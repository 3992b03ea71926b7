//! A probe of whether the service makes progress.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::NotebookService;
use crate::context::ServiceContext;

/// The last probe, which is in progress as long as its sender exists.
#[derive(Debug, Default)]
pub(crate) struct Probe(Mutex<Option<watch::Receiver<bool>>>);

impl NotebookService {
    /// Probes whether the service makes progress: a task on the service's runtime locks the registry of active notebooks, and
    /// gets a cell analysed as the next in the lane of edits. Returns `false` if it has not ended in time. Concurrent callers
    /// share one task. The time-out runs on the caller's runtime, which must be another one than the service's if that may be
    /// stuck.
    pub async fn responds(&self, within: Duration) -> bool {
        let mut has_responded = {
            // The value is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
            let mut probe = self.probe.0.lock().unwrap_or_else(PoisonError::into_inner);
            match &*probe {
                Some(running) if running.has_changed().is_ok() => running.clone(),
                _ => probe.insert(start_probe(&self.shared)).clone(),
            }
        };
        let responded = tokio::time::timeout(within, has_responded.wait_for(|has| *has)).await;
        matches!(responded, Ok(Ok(_)))
    }
}

/// Starts the task of a probe, which sends `true` if it succeeds.
fn start_probe(shared: &Arc<ServiceContext>) -> watch::Receiver<bool> {
    let (result, is_done) = watch::channel(false);
    let probed = Arc::clone(shared);
    shared.runtime.spawn(async move {
        probed.registry.wait_until_free();
        if probed.analyser.probe().await {
            let _ = result.send(true); // the caller may be gone
        }
    });
    is_done
}
