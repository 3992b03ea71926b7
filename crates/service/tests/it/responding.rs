//! Telling a stuck service from a busy one.

use std::sync::mpsc;
use std::time::Duration;

use quire_service::{NotebookService, Options};
use quire_storage_json::JsonNotebookStore;

/// A service on a runtime of one thread, which a task blocks: the probe fails in time, and succeeds again afterwards.
#[test]
fn a_stuck_runtime_is_noticed_from_outside() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let service = runtime.block_on(async {
        let store = JsonNotebookStore::open(dir.path(), quire_storage_json::Options::default()).unwrap();
        NotebookService::new(std::sync::Arc::new(store), Options::default()).unwrap()
    });
    let outside = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(outside.block_on(service.responds(Duration::from_mins(1))));

    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    runtime.spawn(async move {
        entered.send(()).unwrap();
        released.recv().unwrap();
    });
    has_entered.recv().unwrap();
    assert!(!outside.block_on(service.responds(Duration::from_millis(20))));
    release.send(()).unwrap();
    assert!(outside.block_on(service.responds(Duration::from_mins(1))));
}
