//! Polling for changes that other servers make to watched notebooks.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use quire_storage::StoreError;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::context::ServiceContext;
use crate::lookups::{Freshness, MAX_IDS};

/// Time between two look-ups of all watched notebooks.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two look-ups after a failure, or with more watched notebooks than one statement looks up.
const SLOW_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Polls the versions of all watched notebooks, and refreshes those that other servers have changed, until the service is
/// dropped.
pub(crate) async fn follow_others(shared: Weak<ServiceContext>) {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        // In a task of its own, so that polling goes on after a panic.
        let runtime = shared.runtime.clone();
        let Ok(polled) = runtime.spawn(async move { poll(&shared).await }).await else {
            sleep(SLOW_POLL_INTERVAL).await;
            continue;
        };
        match polled {
            Ok(watched) if watched <= MAX_IDS => {}
            Ok(_many) => sleep(SLOW_POLL_INTERVAL).await,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "cannot look up what is watched");
                sleep(SLOW_POLL_INTERVAL).await;
            }
        }
    }
}

/// Polls once and returns the number of watched notebooks.
async fn poll(shared: &Arc<ServiceContext>) -> Result<usize, StoreError> {
    let watched = shared.registry.watched();
    for batch in watched.chunks(MAX_IDS) {
        let ids: Vec<_> = batch.iter().map(|(id, _)| id.clone()).collect();
        let stored = shared.fresh_versions(&ids).await?;
        let stored: HashMap<_, _> = stored.iter().map(|one| (&one.id, one)).collect();
        for (id, known) in batch {
            // The writer task is found again, so that the statement keeps no evicted notebook in memory.
            let Some(handle) = shared.registry.find(id) else { continue };
            match Freshness::of(stored.get(id).copied(), known, &handle.published()) {
                Freshness::Current => {}
                Freshness::Newer(stored) => handle.refresh(stored),
                Freshness::Lost => shared.registry.hint(Some(id)),
            }
        }
    }
    Ok(watched.len())
}
