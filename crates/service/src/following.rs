//! Following what other servers do to the notebooks that are watched here.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use quire_storage::StoreError;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::context::ServiceContext;
use crate::lookups::{Freshness, MAX_IDS};

/// Time between two look-ups of all watched notebooks.
const EVERY: Duration = Duration::from_millis(100);
/// The same where more notebooks are watched than one statement asks for, and after a failure.
const SELDOM: Duration = Duration::from_secs(1);

/// Looks up the versions of all watched notebooks again and again, and has those read again that others have changed; until
/// the service is gone.
pub(crate) async fn follow_others(shared: Weak<ServiceContext>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let looked = look(&shared).await;
        drop(shared);
        match looked {
            Ok(watched) if watched <= MAX_IDS => {}
            Ok(_many) => sleep(SELDOM).await,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "cannot look up what is watched");
                sleep(SELDOM).await;
            }
        }
    }
}

/// Looks once; returns the number of watched notebooks.
async fn look(shared: &Arc<ServiceContext>) -> Result<usize, StoreError> {
    let watched = shared.registry.watched();
    for batch in watched.chunks(MAX_IDS) {
        let known: Vec<_> = batch.iter().map(|(_, handle)| handle.published()).collect();
        let ids: Vec<_> = batch.iter().map(|(id, _)| id.clone()).collect();
        let stored = shared.store.for_service().await.fresh_versions(&ids).await?;
        let stored: HashMap<_, _> = stored.iter().map(|one| (&one.id, one)).collect();
        for ((id, handle), known) in batch.iter().zip(known) {
            match Freshness::of(stored.get(id).copied(), &known, &handle.published()) {
                Freshness::Current => {}
                Freshness::Newer(stored) => handle.refresh(stored),
                Freshness::Lost => shared.registry.hint(Some(id)),
            }
        }
    }
    Ok(watched.len())
}
