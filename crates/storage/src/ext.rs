//! Convenience over any store.

use async_trait::async_trait;
use quire_domain::NotebookId;

use crate::{IdempotencyRecord, NotebookStore, StoreError};

/// What follows from a store's own calls.
#[async_trait]
pub trait NotebookStoreExt: NotebookStore {
    /// Deletes a notebook in whichever state it is stored now; for callers that have seen none.
    ///
    /// # Errors
    /// As [`NotebookStore::load`] and [`NotebookStore::delete`].
    async fn delete_current(&self, id: &NotebookId, answer: Option<&IdempotencyRecord>) -> Result<(), StoreError> {
        let loaded = self.load(id).await?.ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
        self.delete(id, loaded.notebook.base(), answer).await
    }
}

impl<S: NotebookStore + ?Sized> NotebookStoreExt for S {}
