//! Start and end of writer tasks, which lose no acknowledged edit.

use std::sync::atomic::Ordering;
use std::time::Duration;

use quire_domain::{NotebookId, Revision};
use quire_service::{EventKind, Options, ServiceError};
use quire_storage::prelude::*;

use crate::support::{World, ann, codes, insert};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_open_one_notebook_at_once_share_one_writer() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let other = world.second();
    world.faults.loads.store(0, Ordering::SeqCst);
    let opens: Vec<_> = (0..32)
        .map(|n| {
            let (service, id) = (other.clone(), id.clone());
            tokio::spawn(async move { service.edit(&ann(), &id, None, insert(&format!("c{n}"), "x")).await.unwrap() })
        })
        .collect();
    for open in opens {
        open.await.unwrap();
    }
    assert_eq!(world.faults.loads.load(Ordering::SeqCst), 1);
    assert_eq!(world.store.load(&id).await.unwrap().unwrap().notebook.revision, Revision(32));
}

#[tokio::test]
async fn the_one_unused_for_longest_makes_room_unless_it_is_watched() {
    let world = World::with(Options { memory_bytes: 90_000, ..Options::default() });
    let (watched, _) = world.notebook().await;
    let mut watch = world.service.watch(&ann(), &watched).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..6 {
        let (id, _) = world.notebook().await;
        world.service.edit(&ann(), &id, None, insert(&format!("c{n}"), "kept")).await.unwrap();
        ids.push(id);
    }
    let loads = || world.faults.loads.load(Ordering::SeqCst);
    let before = loads();
    for id in &ids[..5] {
        assert_eq!(codes(&world.service.get(&ann(), id).await.unwrap().notebook), ["", "kept"]);
    }
    assert!(loads() >= before + 4, "they had left memory");
    let before = loads();
    world.service.get(&ann(), &watched).await.unwrap();
    assert_eq!(loads(), before, "the watched one had not");
    world.service.edit(&ann(), &watched, None, insert("seen", "seen")).await.unwrap();
    assert!(matches!(watch.next().await.unwrap().kind, EventKind::Changed(_)));
}

#[tokio::test(start_paused = true)]
async fn an_idle_notebook_leaves_memory_and_comes_back() {
    let world = World::with(Options { idle: Duration::from_mins(1), ..Options::default() });
    let (id, _) = world.notebook().await;
    world.service.edit(&ann(), &id, None, insert("x", "kept")).await.unwrap();
    let before = world.faults.loads.load(Ordering::SeqCst);
    // The clock is the test's own: it jumps from timer to timer, the writer's first, then this one.
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["", "kept"]);
    assert_eq!(world.faults.loads.load(Ordering::SeqCst), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_notebook_that_is_only_read_stays_in_memory() {
    let world = World::with(Options { idle: Duration::from_mins(1), ..Options::default() });
    let (id, _) = world.notebook().await;
    let before = world.faults.loads.load(Ordering::SeqCst);
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.service.get(&ann(), &id).await.unwrap();
    }
    assert_eq!(world.faults.loads.load(Ordering::SeqCst), before);
}

/// A client that gives up while a notebook is being opened does not throw the work away.
#[tokio::test]
async fn opening_goes_on_when_nobody_waits() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let other = world.second();
    let (is_reached, release) = world.hold_next_load();
    world.faults.loads.store(0, Ordering::SeqCst);
    let (service, opened) = (other.clone(), id.clone());
    let impatient = tokio::spawn(async move { service.get(&ann(), &opened).await });
    is_reached.await.unwrap();
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    other.get(&ann(), &id).await.unwrap();
    assert_eq!(world.faults.loads.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_has_seen_a_deletion_never_sees_the_notebook_again() {
    let world = World::new();
    for _ in 0..300 {
        let (id, _) = world.notebook().await;
        world.service.delete(&ann(), &id).await.unwrap();
        assert!(matches!(world.service.get(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
    }
}

/// An edit that waits for its notebook to be opened while the service closes is refused, or durable before the end.
#[tokio::test]
async fn closing_waits_for_notebooks_that_are_being_opened() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let other = world.second();
    let (is_reached, release) = world.hold_next_load();
    let (service, opened) = (other.clone(), id.clone());
    let edit = tokio::spawn(async move { service.edit(&ann(), &opened, None, insert("x", "late")).await });
    is_reached.await.unwrap();
    let service = other.clone();
    let closing = tokio::spawn(async move { service.close().await });
    while !other.is_closing() {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    closing.await.unwrap();
    let stored = world.files.load(&id).await.unwrap().unwrap().notebook.cells.len();
    assert_eq!(stored == 2, edit.await.unwrap().is_ok());
    assert!(matches!(other.get(&ann(), &id).await, Err(ServiceError::Closing)));
}

#[tokio::test]
async fn closing_finishes_what_was_begun_and_refuses_the_rest() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    world.close_gate();
    let (service, other) = (world.service.clone(), id.clone());
    let begun = tokio::spawn(async move { service.edit(&ann(), &other, None, insert("x", "begun")).await });
    world.commits_waiting(1).await;
    let service = world.service.clone();
    let closing = tokio::spawn(async move { service.close().await });
    while !world.service.is_closing() {
        tokio::task::yield_now().await;
    }
    let refused = world.service.edit(&ann(), &id, None, insert("y", "late")).await;
    assert!(matches!(refused, Err(ServiceError::Closing)));
    world.open_gate();
    begun.await.unwrap().unwrap();
    closing.await.unwrap();
    assert_eq!(codes(&world.store.load(&id).await.unwrap().unwrap().notebook), ["", "begun"]);
}

#[tokio::test]
async fn after_a_deletion_the_id_is_unknown_and_watchers_are_told() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let mut watch = world.service.watch(&ann(), &id).await.unwrap();
    world.service.delete(&ann(), &id).await.unwrap();
    assert!(matches!(watch.next().await.unwrap().kind, EventKind::Deleted));
    assert!(watch.next().await.is_none());
    assert!(matches!(world.service.get(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
    assert!(matches!(world.service.delete(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
    let missing = NotebookId::new("never").unwrap();
    assert!(matches!(world.service.watch(&ann(), &missing).await, Err(ServiceError::UnknownNotebook(_))));
}
