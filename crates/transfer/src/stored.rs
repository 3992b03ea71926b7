//! Asking a store, with patience for what passes.

use std::time::{Duration, Instant};

use quire_domain::{Notebook, NotebookId};
use quire_storage::{Digested, NotebookStore, StoreError, error_chain};

use crate::TransferError;

/// How long a call is made again that the store has no capacity for, or that meets it while it restarts.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the first wait between two tries is; each following one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Why something could not be done with one notebook.
pub(crate) enum Trouble {
    /// This notebook fails, in a clause; the others may do well.
    One(String),
    /// There is no use in going on.
    All(TransferError),
}

impl Trouble {
    pub(crate) fn of(which: &'static str, error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::All(TransferError::Store { which, source: error }),
            other => Self::One(error_chain(&other)),
        }
    }
}

/// Makes a call that may be repeated, again while the store says that it may succeed later.
pub(crate) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let (started, mut wait) = (Instant::now(), FIRST_WAIT);
    loop {
        match call().await {
            Err(StoreError::Overloaded { .. } | StoreError::Unavailable { .. }) if started.elapsed() < PATIENCE => {}
            outcome => return outcome,
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

/// What is stored of a notebook now, damaged ones included, which digests leave out.
pub(crate) async fn look(store: &dyn NotebookStore, id: &NotebookId) -> Result<Option<Digested>, StoreError> {
    let ids = std::slice::from_ref(id);
    if let Some(found) = patiently(|| store.digests(ids)).await?.pop() {
        return Ok(Some(found));
    }
    let Some(loaded) = patiently(|| store.load(id)).await? else { return Ok(None) };
    let Notebook { life, owner, revision, .. } = &loaded.notebook;
    let has_connection = loaded.notebook.connection.is_some();
    let (life, owner, revision) = (*life, owner.clone(), *revision);
    let digest = loaded.notebook.content_digest();
    Ok(Some(Digested { id: id.clone(), life, owner, revision, version: loaded.version, digest, has_connection }))
}
