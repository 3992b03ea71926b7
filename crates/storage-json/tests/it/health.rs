//! Health is told whatever the store's calls wait for.

use std::sync::mpsc::channel;

use quire_storage::prelude::*;
use quire_storage_json::JsonNotebookStore;
use tempfile::TempDir;

use crate::support::quiet;

/// The runtime's threads for blocking work may all be busy, as when the disk is slow and very many calls wait for it.
#[test]
fn health_waits_for_no_thread_that_calls_use() {
    let dir = TempDir::new().unwrap();
    let store = JsonNotebookStore::open(dir.path(), quiet()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).enable_all().build().unwrap();
    let (release, released) = channel::<()>();
    let busy = runtime.spawn_blocking(move || released.recv());
    for _ in 0..2 {
        let health = runtime.block_on(store.health());
        assert!(health.reads && health.writes, "{health:?}");
    }
    drop(release);
    runtime.block_on(busy).unwrap().unwrap_err();
}

/// Each answer is of a look that began after the question.
#[tokio::test]
async fn health_is_of_now() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notebooks");
    let store = JsonNotebookStore::open(&path, quiet()).unwrap();
    for _ in 0..50 {
        assert!(store.health().await.reads);
        std::fs::rename(&path, dir.path().join("aside")).unwrap();
        assert!(!store.health().await.reads);
        std::fs::rename(dir.path().join("aside"), &path).unwrap();
    }
}
