//! The suite that every store passes.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use quire_storage::NotebookStore;
use quire_storage::conformance::{Failure, StoreBuilder};
use quire_test_postgres::Database;

use crate::support::open;

/// Builds stores on databases that this function makes.
pub(crate) struct Builder(pub(crate) fn() -> BoxFuture<'static, Database>);

impl StoreBuilder for Builder {
    type Guard = Database;

    async fn build(&self) -> Result<(Arc<dyn NotebookStore>, Database), Failure> {
        let database = (self.0)().await;
        Ok((open(&database), database))
    }

    async fn reopen(
        &self,
        store: Arc<dyn NotebookStore>,
        database: &mut Database,
    ) -> Result<Arc<dyn NotebookStore>, Failure> {
        drop(store);
        Ok(open(database))
    }
}

quire_storage::conformance_tests!(Builder(|| Box::pin(Database::fresh())));
