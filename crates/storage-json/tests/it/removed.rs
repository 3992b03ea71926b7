//! What is removed from under a store: what is its own is made again, and what is not is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use quire_storage::StoreError;
use quire_storage::prelude::*;
use quire_storage_json::{JsonNotebookStore, OpenError};

use crate::support::{
    Served, commit_with_records, edit, is_recorded, listed, load, notebook, open, printed, quiet, record, update,
};

const OURS: [&str; 6] =
    [".quire", ".quire/tmp", ".quire/outputs", ".quire/lock", ".quire/index.jsonl", ".quire/answers.log"];

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

/// A store with a notebook, results and a record.
async fn served() -> Served {
    let served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let mut view = load(&served, "x").await;
    commit_with_records(&served, &mut view, &[update("a", "2")], &[record("x", 1)]).await.unwrap();
    edit(&served, "x", &[printed("a", "out")]).await.unwrap();
    served
}

/// As `git clean -fdx` removes it.
#[tokio::test]
async fn what_is_the_stores_own_is_made_again_with_the_next_change() {
    for name in OURS {
        let mut served = served().await;
        remove(&served.path(name));
        edit(&served, "x", &[update("a", "3")]).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        edit(&served, "x", &[printed("a", "more")]).await.unwrap();
        served.create(&notebook("y", "1"), None).await.unwrap();
        let health = served.health().await;
        assert!(health.reads && health.writes, "{name}: {health:?}");
        for ours in OURS {
            let mode = fs::metadata(served.path(ours))
                .unwrap_or_else(|error| panic!("{name}, {ours}: {error}"))
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{ours}");
        }
        // A recorded change is not made again, whether or not the server starts again.
        assert!(is_recorded(&served, "x", 1).await);
        served.restart_after(|_| {});
        assert!(is_recorded(&served, "x", 1).await, "{name}");
        let view = load(&served, "x").await;
        assert_eq!((view.code("a"), view.stdout("a"), view.revision()), ("3", "more", 3), "{name}");
        assert_eq!(listed(&served, "ann").await, ["x", "y"]);
    }
}

/// The index is what tells an edit from outside, also one that comes while no server runs.
#[tokio::test]
async fn the_index_is_whole_again() {
    for name in [".quire", ".quire/index.jsonl"] {
        let mut served = served().await;
        served.create(&notebook("y", "1"), None).await.unwrap();
        remove(&served.path(name));
        edit(&served, "x", &[update("a", "3")]).await.unwrap();
        served.restart_after(|dir| {
            let text = fs::read_to_string(dir.join("y.json")).unwrap();
            fs::write(dir.join("y.json"), text.replace("\"1\"", "\"9\"")).unwrap();
        });
        assert_eq!(load(&served, "y").await.revision(), 2, "{name}: an edit from outside");
    }
}

/// Whoever removes the lock lets no second server in.
#[tokio::test]
async fn the_lock_is_held_again() {
    let served = served().await;
    remove(&served.path(".quire"));
    edit(&served, "x", &[update("a", "3")]).await.unwrap();
    let refused = JsonNotebookStore::open(served.dir(), quiet()).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(refused, OpenError::InUse { pid: Some(holder), .. } if holder == pid), "{refused:?}");
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_is_told() {
    let served = served().await;
    remove(&served.path(".quire"));
    served.write(".quire", "mine");
    let refused = edit(&served, "x", &[update("a", "3")]).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unavailable { reason, .. } if reason.contains(".quire")), "{refused:?}");
    let health = served.health().await;
    assert!(health.reads && !health.writes, "{health:?}");
    assert_eq!(load(&served, "x").await.code("a"), "2");
    assert_eq!(served.read(".quire"), "mine");
    remove(&served.path(".quire"));
    edit(&served, "x", &[update("a", "3")]).await.unwrap();
}

/// What is in another directory says nothing about the notebooks, and an edit into the one that was moved away would be lost.
#[tokio::test]
async fn a_directory_that_was_moved_or_replaced_is_told_until_it_is_back() {
    let outer = tempfile::TempDir::new().unwrap();
    let (dir, aside) = (outer.path().join("notebooks"), outer.path().join("aside"));
    let store = open(&dir);
    store.create(&notebook("x", "1"), None).await.unwrap();
    let mut events = store.subscribe();
    for replaced in [false, true] {
        fs::rename(&dir, &aside).unwrap();
        if replaced {
            fs::create_dir(&dir).unwrap();
        }
        let loaded = store.load(&notebook("x", "1").id).await.unwrap_err();
        let created = store.create(&notebook("y", "1"), None).await.unwrap_err();
        for refused in [loaded, created] {
            let StoreError::Unavailable { reason, .. } = &refused else { panic!("{refused:?}") };
            assert!(reason.contains("removed, moved or replaced"), "{reason}");
        }
        assert!(store.scan_now().await.is_err());
        let health = store.health().await;
        assert!(!health.reads && !health.writes);
        if replaced {
            assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
            fs::remove_dir(&dir).unwrap();
        }
        fs::rename(&aside, &dir).unwrap();
        assert_eq!(listed(&store, "ann").await, ["x"]);
    }
    assert!(events.try_recv().is_err(), "no notebook was deleted");
}
