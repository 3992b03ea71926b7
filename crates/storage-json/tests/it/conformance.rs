//! The suite that every store passes, and with it the wrapper that the server has around this one.

use std::sync::Arc;

use quire_storage::conformance::{Failure, StoreBuilder, Wrapped};
use quire_storage::{NotebookStore, Traced, store_spans};
use quire_storage_json::{JsonNotebookStore, Options};
use tempfile::TempDir;

struct Directory;

impl StoreBuilder for Directory {
    type Guard = TempDir;

    async fn build(&self) -> Result<(Arc<dyn NotebookStore>, TempDir), Failure> {
        let dir = TempDir::new()?;
        let store = JsonNotebookStore::open(dir.path(), Options::default())?;
        Ok((Arc::new(store), dir))
    }

    async fn reopen(
        &self,
        store: Arc<dyn NotebookStore>,
        dir: &mut TempDir,
    ) -> Result<Arc<dyn NotebookStore>, Failure> {
        drop(store);
        Ok(Arc::new(JsonNotebookStore::open(dir.path(), Options::default())?))
    }
}

quire_storage::conformance_tests!(Directory);

mod traced {
    use super::*;

    fn traced(store: Arc<dyn NotebookStore>) -> Arc<dyn NotebookStore> {
        Arc::new(Traced::new(store, store_spans!("json")))
    }

    quire_storage::conformance_tests!(Wrapped(Directory, traced));
}
