//! Memory of notebooks: evictions, and notebooks that are too large.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quire_domain::{
    Cell, CellId, CellType, Edit, Extra, Notebook, NotebookId, OrderKey, Results, Revision, Timestamp, UserId,
};
use quire_service::{EventKind, ImportFile, NotebookService, Options, ServiceError};

use crate::support::{World, ann, bob, codes, insert, options, update};

/// Room for four small notebooks, which take 32 KiB and little more each, and not for five.
const FOUR: usize = 160_000;

fn with_room(bytes: usize) -> Options {
    Options { memory_bytes: bytes, ..options() }
}

async fn notebooks(world: &World, user: &UserId, count: usize) -> Vec<NotebookId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(world.service.create(user).await.unwrap());
    }
    ids
}

/// Returns `true` if the notebook has been in memory since the event with this number.
async fn stayed(world: &World, user: &UserId, id: &NotebookId, seq: quire_service::Seq) -> bool {
    world.service.get(user, id).await.unwrap().seq == seq
}

#[tokio::test]
async fn who_takes_the_most_makes_room_first() {
    let world = World::with(with_room(FOUR));
    let bobs = notebooks(&world, &bob(), 1).await.remove(0);
    let seq = world.service.get(&bob(), &bobs).await.unwrap().seq;
    let anns = notebooks(&world, &ann(), 10).await;
    let mut first = None;
    for id in &anns {
        let opened = world.service.get(&ann(), id).await.unwrap().seq;
        first.get_or_insert(opened);
    }
    assert!(stayed(&world, &bob(), &bobs, seq).await, "bob has one alone, however old");
    assert!(!stayed(&world, &ann(), &anns[0], first.unwrap()).await);
}

#[tokio::test]
async fn who_watches_all_that_fits_is_refused_more_and_keeps_nobody_else_out() {
    let world = World::with(with_room(FOUR));
    let anns = notebooks(&world, &ann(), 6).await;
    let mut watches = Vec::new();
    for id in &anns[..4] {
        watches.push(world.service.watch(&ann(), id).await.unwrap());
    }
    for id in &anns[4..] {
        assert!(matches!(world.service.get(&ann(), id).await, Err(ServiceError::MemoryFull)));
    }
    // Those that she watches are as they were.
    world.service.edit(&ann(), &anns[0], None, insert("x", "1")).await.unwrap();
    assert!(matches!(watches[0].next().await.unwrap().kind, EventKind::Changed(_)));
    // Another user takes less: the one of hers that was not used for longest makes room.
    let bobs = notebooks(&world, &bob(), 1).await.remove(0);
    let mut watch = world.service.watch(&bob(), &bobs).await.unwrap();
    assert!(watches[1].next().await.is_none(), "its watcher is told to come again");
    world.service.edit(&ann(), &anns[2], None, insert("x", "1")).await.unwrap();
    assert!(matches!(watches[2].next().await.unwrap().kind, EventKind::Changed(_)));
    // Coming again does not push out bob, who still takes less.
    assert!(matches!(world.service.watch(&ann(), &anns[1]).await, Err(ServiceError::MemoryFull)));
    world.service.edit(&bob(), &bobs, None, insert("x", "1")).await.unwrap();
    assert!(matches!(watch.next().await.unwrap().kind, EventKind::Changed(_)));
    // Closing one makes room for one.
    drop(watches.remove(3));
    world.service.get(&ann(), &anns[4]).await.unwrap();
}

#[tokio::test]
async fn what_edits_add_makes_others_leave() {
    let world = World::with(with_room(4 * FOUR));
    let bobs = notebooks(&world, &bob(), 1).await.remove(0);
    let _watched = world.service.watch(&bob(), &bobs).await.unwrap();
    let seq = world.service.get(&bob(), &bobs).await.unwrap().seq;
    let anns = notebooks(&world, &ann(), 8).await;
    let mut watches = Vec::new();
    for id in &anns {
        watches.push(world.service.watch(&ann(), id).await.unwrap());
    }
    // 8 times 34 KB and 50 KB of code each: more than 600 KB.
    for id in &anns {
        // One that had to leave is opened again, as far as there is room for it.
        let edited = world.service.edit(&ann(), id, None, insert("x", &"#".repeat(50_000))).await;
        assert!(matches!(edited, Ok(_) | Err(ServiceError::MemoryFull)), "{edited:?}");
    }
    // The oldest of hers, since she takes the most; its watcher hears of that.
    while let Some(event) = watches[0].next().await {
        assert!(matches!(event.kind, EventKind::Changed(_)));
    }
    assert!(stayed(&world, &bob(), &bobs, seq).await);
}

#[tokio::test]
async fn a_notebook_larger_than_one_may_be_is_refused_wherever_it_comes_from() {
    let world = World::with(with_room(400_000));
    let (id, cell) = world.notebook().await;
    let service = &world.service;
    let is_too_large = |error: &ServiceError| {
        assert!(error.to_string().contains("--memory-mib"), "{error}");
        matches!(error, ServiceError::NotebookTooLarge { max: 200_000, .. })
    };
    // An edit.
    service.edit(&ann(), &id, None, update(&cell, &"#".repeat(100_000))).await.unwrap();
    let refused = service.edit(&ann(), &id, None, insert("x", &"#".repeat(150_000))).await.unwrap_err();
    assert!(is_too_large(&refused), "{refused:?}");
    let notebook = service.get(&ann(), &id).await.unwrap();
    assert_eq!((notebook.notebook.revision, notebook.notebook.cells.len()), (Revision(1), 1));
    service.edit(&ann(), &id, None, update(&cell, "small")).await.unwrap();
    // An import.
    let code = "#".repeat(250_000);
    let bytes = format!(r#"{{"id": "x", "cells": [{{"id": "c", "type": "python", "code": "{code}"}}]}}"#).into_bytes();
    let file = || ImportFile { bytes: bytes.clone(), format: None, name: None };
    let refused = service.import(&ann(), file()).await.unwrap_err();
    assert!(is_too_large(&refused), "{refused:?}");
    // One that is stored already, by a server with more memory, which still has it.
    let larger = world.another(options());
    let stored = larger.import(&ann(), file()).await.unwrap().id;
    for _ in 0..2 {
        let refused = service.get(&ann(), &stored).await.unwrap_err();
        assert!(is_too_large(&refused), "{refused:?}");
    }
    assert_eq!(codes(&larger.get(&ann(), &stored).await.unwrap().notebook), [code]);
}

/// A stored notebook of one cycle of so many cells.
async fn with_cycle(world: &World, cells: usize) -> NotebookId {
    let id = NotebookId::new("cycle").unwrap();
    let mut notebook = Notebook::new(id.clone(), quire_domain::Life::UNRECORDED, ann(), Timestamp::UNIX_EPOCH);
    let cell = |index: usize| Cell {
        id: CellId::new(format!("c{index}")).unwrap(),
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: Arc::from(format!("x{index} = x{}", (index + cells - 1) % cells)),
        revision: Revision(0),
        analysis: Arc::default(),
        broken: None,
        results: Arc::new(Results::default()),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    };
    notebook.cells = (0..cells).map(cell).collect();
    world.store.create(&notebook, None).await.unwrap();
    id
}

fn edit_cycle(turn: usize) -> Edit {
    let code = if turn.is_multiple_of(2) { "x7 = 0" } else { "x7 = x6" };
    update(&CellId::new("c7").unwrap(), code)
}

async fn is_resync(service: &NotebookService, id: &NotebookId, last: quire_service::Seq) -> bool {
    let mut watch = service.resume(&ann(), id, last).await.unwrap();
    matches!(watch.next().await.unwrap().kind, EventKind::Resync)
}

#[tokio::test]
async fn events_count_with_the_cycles_that_they_hold() {
    let world = World::new();
    let id = with_cycle(&world, 2_000).await;
    let mut seqs = vec![world.service.get(&ann(), &id).await.unwrap().seq];
    for turn in 0..60 {
        world.service.edit(&ann(), &id, None, edit_cycle(turn)).await.unwrap();
        seqs.push(world.service.get(&ann(), &id).await.unwrap().seq);
    }
    // Each is of 2,000 cells, so 4 MiB are not 60 of them.
    assert!(is_resync(&world.service, &id, seqs[20]).await);
    assert!(!is_resync(&world.service, &id, seqs[57]).await);
}

/// Events that are published together are kept whatever their size, so their size must be limited.
#[tokio::test]
async fn edits_whose_events_would_be_large_together_are_not_committed_together() {
    let world = World::new();
    let id = with_cycle(&world, 2_000).await;
    world.service.get(&ann(), &id).await.unwrap();
    world.close_gate();
    let send = |turn| {
        let (service, id) = (world.service.clone(), id.clone());
        tokio::spawn(async move { service.edit(&ann(), &id, None, edit_cycle(turn)).await.unwrap() })
    };
    let mut edits = vec![send(0)];
    world.commits_waiting(1).await;
    edits.extend((1..61).map(send));
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    world.open_gate();
    for edit in edits {
        edit.await.unwrap();
    }
    let commits = world.faults.commits.lock().unwrap().clone();
    assert_eq!(commits.iter().sum::<usize>(), 61);
    assert!(commits.len() >= 3 && commits.iter().all(|&changes| changes <= 40), "{commits:?}");
}

#[tokio::test]
async fn a_graph_is_built_once_for_each_published_state() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let graph = || async { world.service.graph(&ann(), &id).await.unwrap().1 };
    let first = graph().await;
    assert!(Arc::ptr_eq(&first, &graph().await));
    world.service.edit(&ann(), &id, None, update(&cell, "x = 1")).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &graph().await));
}

/// A small service and a larger one on one store, with a notebook that the larger one has made too large for the small one,
/// which has it in memory as it was before if `active`.
async fn outgrown(active: bool) -> (World, NotebookService, NotebookId) {
    let world = World::with(with_room(400_000));
    let (id, cell) = world.notebook().await;
    let larger = world.another(options());
    if !active {
        world.service.close().await;
    }
    larger.edit(&ann(), &id, None, update(&cell, &"#".repeat(250_000))).await.unwrap();
    let small = if active { world.service.clone() } else { world.another(with_room(400_000)) };
    (world, small, id)
}

/// A notebook that cannot be opened can be deleted, by its owner and at the state that the owner knows.
#[tokio::test]
async fn a_notebook_that_is_too_large_can_be_deleted() {
    let (_world, small, id) = outgrown(false).await;
    let refused = small.get(&ann(), &id).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotebookTooLarge { .. }), "{refused:?}");
    assert!(matches!(small.delete(&bob(), &id).await, Err(ServiceError::Foreign(_))));
    let refused = small.delete_expecting(&ann(), &id, Some(Revision(0)).into()).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Conflict { current: Revision(1), .. }), "{refused:?}");
    small.delete_expecting(&ann(), &id, Some(Revision(1)).into()).await.unwrap();
    assert!(matches!(small.get(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
    assert!(matches!(small.delete(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
}

/// A notebook that becomes too large elsewhere is said to be too large, not to be gone: by the writer that finds it, without
/// another one being started.
#[tokio::test]
async fn a_notebook_that_outgrows_its_writer_is_not_called_gone() {
    let (world, small, id) = outgrown(true).await;
    let loads = || world.faults.loads.load(Ordering::SeqCst);
    let before = loads();
    let refused = small.edit(&ann(), &id, Some(Revision(1)), insert("x", "1")).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotebookTooLarge { .. }), "{refused:?}");
    assert_eq!(loads() - before, 1);
    small.delete(&ann(), &id).await.unwrap();
    assert!(matches!(small.get(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
}
