//! Finding out whether the service gets to its work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::NotebookService;
use crate::context::ServiceContext;

/// The last probe of whether the service gets to its work; it is under way as long as its sender lives.
#[derive(Debug, Default)]
pub(crate) struct Probe(Mutex<Option<watch::Receiver<bool>>>);

impl NotebookService {
    /// Checks that the service gets to its work: a task of its own is started on the service's runtime, finds the registry of
    /// active notebooks free, and has a cell analysed in the lane that edits use, as the next there. Returns `false` when it
    /// has not come back in time. Callers at the same time share one such task. The caller's own runtime keeps the time, so it
    /// must not be the service's where that may be stuck.
    pub async fn responds(&self, within: Duration) -> bool {
        let mut has_responded = {
            // The value is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
            let mut probe = self.probe.0.lock().unwrap_or_else(PoisonError::into_inner);
            match &*probe {
                Some(under_way) if under_way.has_changed().is_ok() => under_way.clone(),
                _ => probe.insert(start_probe(&self.shared)).clone(),
            }
        };
        let responded = tokio::time::timeout(within, has_responded.wait_for(|has| *has)).await;
        matches!(responded, Ok(Ok(_)))
    }
}

/// Starts the task of a probe, which says `true` and ends, or only ends when the service does no work any more.
fn start_probe(shared: &Arc<ServiceContext>) -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    let probed = Arc::clone(shared);
    shared.runtime.spawn(async move {
        probed.registry.wait_until_free();
        if probed.analyser.probe().await {
            let _ = tell.send(true); // nobody may be waiting any more
        }
    });
    told
}
