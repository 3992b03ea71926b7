//! Recovery of a state that a database has acknowledged and then lost, for example in a failover to a lagging standby.

use std::sync::Arc;

use quire_domain::{Notebook, NotebookId, limits};
use quire_storage::{StoreError, StoredVersion};

use crate::ServiceError;
use crate::context::ServiceContext;
use crate::published::Published;

/// Stores a published state that the database has lost as another notebook, regardless of the owner's quota. Returns its id,
/// which is the same at each server.
///
/// # Errors
/// Returns an error if the store fails, or has the state after all because the earlier read went to a server in recovery.
pub(crate) async fn set_aside(shared: &ServiceContext, published: &Published) -> Result<NotebookId, StoreError> {
    let notebook = &published.stored;
    let store = shared.store.for_writer(&notebook.owner).await;
    let stored = store.fresh_versions(std::slice::from_ref(&notebook.id)).await?.pop();
    let is_there = |stored: StoredVersion| {
        stored.life == notebook.life && stored.version >= published.version && stored.revision >= notebook.revision
    };
    if stored.is_some_and(is_there) {
        let reason = "what was read before is older than what is stored".to_owned();
        return Err(StoreError::Unavailable { reason, source: None });
    }
    let copy = recovered_copy(shared, published).map_err(|error| match error {
        ServiceError::Store(error) => error,
        other => StoreError::Backend { action: "copy what the database has lost".to_owned(), source: Box::new(other) },
    })?;
    match store.create(&copy, None).await {
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(copy.id),
        Err(error) => Err(error),
    }
}

fn recovered_copy(shared: &ServiceContext, published: &Published) -> Result<Notebook, ServiceError> {
    let original = &published.stored;
    // Each server that knows this state derives the same id from it. A version alone does not identify the state: a database that
    // has lost history may give the version out again.
    let id = NotebookId::new(format!("recovered-{}-{}", published.version.0, original.content_digest()))?;
    let suffix = format!(" (recovered {})", shared.sources.now().format("%Y-%m-%d %H:%M UTC"));
    let name = original.name.as_deref().unwrap_or(original.id.as_str());
    let room = limits::NAME_CHARS.saturating_sub(suffix.chars().count());
    let name: String = name.chars().take(room).chain(suffix.chars()).collect();
    let (copy, has_connection) = shared.copy(original, id, Arc::from(name))?;
    if !has_connection {
        tracing::warn!(notebook = %original.id, copy = %copy.id, "the recovered copy has no connection string");
    }
    Ok(copy)
}
