//! A store that refuses, fails or loses responses: no acknowledged edit is lost, and no refused one is kept.

use quire_domain::Revision;
use quire_service::ServiceError;
use quire_storage::StoreError;

use crate::support::{Fault, World, ann, codes, full, insert, update};

#[tokio::test]
async fn a_failed_commit_leaves_memory_as_it_was() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "kept")).await.unwrap();
    world.fail_next(Fault::Refuse(full(&id)));
    let refused = world.service.edit(&ann(), &id, None, insert("lost", "x")).await;
    assert!(matches!(refused, Err(ServiceError::Store(StoreError::Full { .. }))));
    let published = world.service.get(&ann(), &id).await.unwrap();
    assert_eq!((codes(&published.notebook), published.notebook.revision), (vec!["kept".to_owned()], Revision(1)));
    let edited = world.service.edit(&ann(), &id, None, insert("next", "y")).await.unwrap();
    assert_eq!(edited.revision, Revision(2));
    let stored = world.store.load(&id).await.unwrap().unwrap().notebook;
    assert_eq!(codes(&stored), ["kept", "y"]);
}

#[tokio::test]
async fn a_group_that_is_refused_is_tried_edit_by_edit() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    world.close_gate();
    let edit = |name: &str| {
        let (service, id, edit) = (world.service.clone(), id.clone(), insert(name, name));
        tokio::spawn(async move { service.edit(&ann(), &id, None, edit).await })
    };
    let first = edit("a");
    world.commits_waiting(1).await;
    let others = [edit("b"), edit("c"), edit("d")];
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.fail_next(Fault::RefuseGroups);
    world.open_gate();
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(*world.faults.commits.lock().unwrap(), [1, 1, 1, 1]);
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["", "a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_commit_is_repeated_after_a_lost_response_and_the_edit_happens_once() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    world.fail_next(Fault::LoseResponse);
    let edited = world.service.edit(&ann(), &id, None, insert("once", "once")).await.unwrap();
    assert_eq!(edited.revision, Revision(1));
    assert_eq!(codes(&world.store.load(&id).await.unwrap().unwrap().notebook), ["", "once"]);
}

#[tokio::test]
async fn an_edit_of_unknown_outcome_is_neither_lost_nor_doubled() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    world.fail_next(Fault::LoseResponse);
    world.fail_next(Fault::LoseResponse);
    let unknown = world.service.edit(&ann(), &id, None, insert("once", "once")).await;
    assert!(matches!(unknown, Err(ServiceError::Store(StoreError::OutcomeUnknown { .. }))));
    // Readers see what is stored, at once.
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["", "once"]);
    let edited = world.service.edit(&ann(), &id, None, insert("twice", "twice")).await.unwrap();
    assert_eq!(edited.revision, Revision(2));
    assert_eq!(codes(&world.store.load(&id).await.unwrap().unwrap().notebook), ["", "once", "twice"]);
}

/// The database is away for longer than a commit and the refresh after it: readers and watchers see the edit as soon as it can
/// be read, without a further request.
#[tokio::test(start_paused = true)]
async fn a_state_in_doubt_is_refreshed_until_it_is_known() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let mut watch = world.service.watch(&ann(), &id).await.unwrap();
    world.fail_next(Fault::LoseResponse);
    world.fail_next(Fault::LoseResponse);
    world.faults.failing_loads.store(3, std::sync::atomic::Ordering::SeqCst);
    let unknown = world.service.edit(&ann(), &id, None, insert("once", "once")).await;
    assert!(matches!(unknown, Err(ServiceError::Store(StoreError::OutcomeUnknown { .. }))));
    let event = watch.next().await.unwrap();
    assert_eq!(codes(&event.notebook), ["", "once"]);
    assert_eq!(world.faults.failing_loads.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["", "once"]);
}

#[tokio::test]
async fn a_delete_of_unknown_outcome_leaves_no_ghost() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let mut watch = world.service.watch(&ann(), &id).await.unwrap();
    world.faults.lose_deletion.store(true, std::sync::atomic::Ordering::SeqCst);
    let unknown = world.service.delete(&ann(), &id).await;
    assert!(matches!(unknown, Err(ServiceError::Store(StoreError::OutcomeUnknown { .. }))));
    assert!(matches!(watch.next().await.unwrap().kind, quire_service::EventKind::Deleted));
    assert!(matches!(world.service.get(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
}

/// A file whose revision is the last one there can be: an edit is refused, not taken for a commit of results.
#[tokio::test]
async fn after_the_last_revision_edits_are_refused() {
    let world = World::new();
    let text = format!(
        r#"{{"id": "n", "user_id": "ann", "revision": {}, "cells": [{{"id": "c", "type": "python", "code": "old"}}]}}"#,
        Revision::MAX
    );
    std::fs::write(world.dir.path().join("n.json"), text).unwrap();
    let id = quire_domain::NotebookId::new("n").unwrap();
    let cell = quire_domain::CellId::new("c").unwrap();
    let refused = world.service.edit(&ann(), &id, None, update(&cell, "new")).await;
    assert!(matches!(refused, Err(ServiceError::LastRevision)));
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["old"]);
}

#[tokio::test]
async fn an_edit_that_always_mismatches_ends_with_an_error() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    for _ in 0..5 {
        world.fail_next(Fault::Refuse(StoreError::RevisionMismatch { id: id.clone(), expected: Revision(0) }));
    }
    let refused = world.service.edit(&ann(), &id, None, insert("x", "x")).await;
    assert!(matches!(refused, Err(ServiceError::Contended(_))));
    world.service.edit(&ann(), &id, None, insert("x", "x")).await.unwrap();
}

#[tokio::test]
async fn an_edit_whose_client_went_away_still_happens_whole() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    world.close_gate();
    let (service, other) = (world.service.clone(), id.clone());
    let edit = tokio::spawn(async move { service.edit(&ann(), &other, None, insert("x", "x")).await });
    world.commits_waiting(1).await;
    edit.abort();
    assert!(edit.await.unwrap_err().is_cancelled());
    world.open_gate();
    let edited = world.service.edit(&ann(), &id, None, insert("y", "y")).await.unwrap();
    assert_eq!(edited.revision, Revision(2));
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["", "x", "y"]);
}
