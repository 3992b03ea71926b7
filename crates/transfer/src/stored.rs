//! Calls to a store, with retries of transient failures.

use std::time::{Duration, Instant};

use quire_domain::{Notebook, NotebookId};
use quire_storage::{NotebookStore, StoreError, StoredDigest, error_chain};

use crate::TransferError;

/// Time for which a call is retried if the store is overloaded or unavailable.
const RETRY_TIMEOUT: Duration = Duration::from_secs(8);
/// First wait between two attempts; each further wait is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Failure of the work on one notebook.
pub(crate) enum WorkError {
    /// Only this notebook fails, for the reason in the clause.
    Notebook(String),
    /// The whole transfer has to end.
    Transfer(TransferError),
}

impl WorkError {
    pub(crate) fn of(which: &'static str, error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::Transfer(TransferError::Store { which, source: error }),
            other => Self::Notebook(error_chain(&other)),
        }
    }
}

/// Makes an idempotent call, and retries it while the store is overloaded or unavailable.
pub(crate) async fn with_retries<T, F>(call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let (started, mut wait) = (Instant::now(), FIRST_BACKOFF);
    loop {
        match call().await {
            Err(StoreError::Overloaded { .. } | StoreError::Unavailable { .. })
                if started.elapsed() < RETRY_TIMEOUT => {}
            outcome => return outcome,
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

/// Returns the digest of a stored notebook, also of a damaged one, whose digest the store does not list.
pub(crate) async fn load_digest(
    store: &dyn NotebookStore,
    id: &NotebookId,
) -> Result<Option<StoredDigest>, StoreError> {
    let ids = std::slice::from_ref(id);
    if let Some(found) = with_retries(|| store.digests(ids)).await?.pop() {
        return Ok(Some(found));
    }
    let Some(loaded) = with_retries(|| store.load(id)).await? else { return Ok(None) };
    let Notebook { life, owner, revision, .. } = &loaded.notebook;
    let has_connection = loaded.notebook.connection.is_some();
    let (life, owner, revision) = (*life, owner.clone(), *revision);
    let digest = loaded.notebook.content_digest();
    Ok(Some(StoredDigest { id: id.clone(), life, owner, revision, version: loaded.version, digest, has_connection }))
}
