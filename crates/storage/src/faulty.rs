//! A wrapper that makes a store fail, for tests.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Call, IdempotencyRepository, NotebookQueries, NotebookRepository, NotebookStore, StoreError, forward};

/// The faults of a [`Faulty`] store: none, unless a method is written. Each may also wait, count, or act behind the store's
/// back.
#[async_trait]
pub trait Faults: Debug + Send + Sync + 'static {
    /// Runs before a call. An error refuses the call, which does not reach the store.
    async fn before(&self, _call: &Call<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Runs after a call that succeeded. An error takes the place of the store's answer, which is lost.
    async fn after(&self, _call: &Call<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A store that is as slow and as faulty as a test asks for.
#[derive(Debug)]
pub struct Faulty {
    store: Arc<dyn NotebookStore>,
    faults: Arc<dyn Faults>,
}

impl Faulty {
    /// Wraps a store.
    #[must_use]
    pub fn new(store: Arc<dyn NotebookStore>, faults: Arc<dyn Faults>) -> Self {
        Self { store, faults }
    }

    async fn interfere<T>(
        &self,
        call: Call<'_>,
        outcome: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.faults.before(&call).await?;
        let answer = outcome.await?;
        self.faults.after(&call).await?;
        Ok(answer)
    }
}

impl NotebookRepository for Faulty {
    forward!(store through interfere: create, load, commit, replace, delete);
}

impl IdempotencyRepository for Faulty {
    forward!(store through interfere: put_records, record, delete_old_records);
}

impl NotebookQueries for Faulty {
    forward!(store through interfere: owner, list, search, digests, usage, versions, fresh_versions, is_shared, health, subscribe);
}
