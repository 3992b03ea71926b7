//! Convenience over any store.

use async_trait::async_trait;
use quire_domain::NotebookId;

use crate::{Delete, IdempotencyRecord, NotebookStore, StoreError};

/// Calls that are made up of a store's own.
///
/// ```
/// use quire_domain::NotebookId;
/// use quire_storage::{NotebookStore, NotebookStoreExt as _, StoreError};
///
/// async fn remove(store: &dyn NotebookStore, id: &NotebookId) -> Result<(), StoreError> {
///     store.delete_current(id, None).await
/// }
/// ```
#[async_trait]
pub trait NotebookStoreExt: NotebookStore {
    /// Deletes a notebook in whichever state it is stored now; for callers that have seen none.
    ///
    /// # Errors
    /// As [`NotebookRepository::load`](crate::NotebookRepository::load) and
    /// [`NotebookRepository::delete`](crate::NotebookRepository::delete).
    async fn delete_current(&self, id: &NotebookId, record: Option<&IdempotencyRecord>) -> Result<(), StoreError> {
        let loaded = self.load(id).await?.ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
        self.delete(Delete { id, base: loaded.notebook.base(), record }).await
    }
}

impl<S: NotebookStore + ?Sized> NotebookStoreExt for S {}
