//! Evictions: requests that wait for room, and their time-out.

use std::sync::atomic::Ordering;

use quire_domain::{NotebookId, UserId};
use quire_service::{Edited, ImportFile, NotebookService, NotebookView, Options, ServiceError};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::{World, ann, bob, options, update};

/// Room for one small notebook, which takes 32 KiB and little more, and not for two.
const ONE: usize = 50_000;

fn with_room(bytes: usize) -> World {
    World::with(Options { memory_bytes: bytes, ..options() })
}

fn get(service: &NotebookService, user: UserId, id: &NotebookId) -> JoinHandle<Result<NotebookView, ServiceError>> {
    let (service, id) = (service.clone(), id.clone());
    tokio::spawn(async move { service.get(&user, &id).await })
}

/// Makes an edit whose commit is held until the gate is opened.
async fn held_edit(world: &World) -> (NotebookId, JoinHandle<Result<Edited, ServiceError>>) {
    let (id, cell) = world.notebook().await;
    world.close_gate();
    let (service, edited) = (world.service.clone(), id.clone());
    let edit = tokio::spawn(async move { service.edit(&ann(), &edited, None, update(&cell, "x = 1")).await });
    world.commits_waiting(1).await;
    (id, edit)
}

/// Waits until so many notebooks have been loaded, and what follows that has been tried.
async fn loads(world: &World, count: usize) {
    while world.faults.loads.load(Ordering::SeqCst) < count {
        tokio::task::yield_now().await;
    }
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// While the only evictable notebook is ending, all requests wait for it, not only the one that has evicted it.
#[tokio::test]
async fn everybody_waits_for_a_notebook_that_is_leaving() {
    let world = with_room(ONE);
    let others = [world.service.create(&ann()).await.unwrap(), world.service.create(&bob()).await.unwrap()];
    let (_, edit) = held_edit(&world).await;
    let loaded = world.faults.loads.load(Ordering::SeqCst);
    let first = get(&world.service, ann(), &others[0]);
    loads(&world, loaded + 1).await;
    let second = get(&world.service, bob(), &others[1]);
    loads(&world, loaded + 2).await;
    assert!(!first.is_finished());
    world.open_gate();
    edit.await.unwrap().unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn waiting_for_room_ends_with_a_refusal() {
    let world = with_room(ONE);
    let other = world.service.create(&bob()).await.unwrap();
    let (_, edit) = held_edit(&world).await;
    tokio::time::pause();
    let start = Instant::now();
    let refused = world.service.get(&bob(), &other).await;
    assert!(matches!(refused, Err(ServiceError::MemoryFull)), "{refused:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
    tokio::time::resume();
    world.open_gate();
    edit.await.unwrap().unwrap();
    world.service.get(&bob(), &other).await.unwrap();
}

/// A notebook with a full queue is in use, and not evicted; when it is idle again, it is.
#[tokio::test]
async fn a_notebook_that_was_too_busy_to_leave_leaves_later() {
    let world = with_room(ONE);
    let other = world.service.create(&bob()).await.unwrap();
    let (id, edit) = held_edit(&world).await;
    let send = |_| {
        let (service, id) = (world.service.clone(), id.clone());
        tokio::spawn(async move { service.watch(&ann(), &id).await.map(drop) })
    };
    let waiting: Vec<_> = (0..1_100).map(send).collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let refused = world.service.get(&bob(), &other).await;
    assert!(matches!(refused, Err(ServiceError::MemoryFull)), "{refused:?}");
    world.open_gate();
    edit.await.unwrap().unwrap();
    for watch in waiting {
        watch.await.unwrap().unwrap();
    }
    world.service.get(&bob(), &other).await.unwrap();
}

/// A file of so many cells with 9,000 names each.
fn names(cells: usize) -> ImportFile {
    let cell = |cell: usize| {
        let code: Vec<String> = (0..9_000).map(|name| format!("n{cell}_{name} = 1")).collect();
        json!({"id": format!("c{cell}"), "type": "python", "code": code.join("\n")})
    };
    let notebook = json!({"cells": (0..cells).map(cell).collect::<Vec<_>>()});
    ImportFile { bytes: notebook.to_string().into_bytes(), format: None, name: None }
}

#[tokio::test]
async fn an_import_of_too_many_names_is_refused_as_an_edit_is() {
    let world = World::new();
    let refused = world.service.import(&ann(), names(23)).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Invalid(_)), "{refused:?}");
    assert!(refused.to_string().contains("more than the 200000 allowed"), "{refused}");
}

/// The memory of an import is accounted, so that it is refused without room, and released when it is stored.
#[tokio::test]
async fn an_import_needs_room_like_an_opening() {
    let world = with_room(20 * 1024 * 1024);
    let import = async || world.service.import(&ann(), names(2)).await;
    let mut watches = Vec::new();
    // Each takes some 8 MB.
    for _ in 0..2 {
        let made = import().await.unwrap();
        watches.push(world.service.watch(&ann(), &made.id).await.unwrap());
    }
    let refused = import().await;
    assert!(matches!(refused, Err(ServiceError::MemoryFull)), "{refused:?}");
    watches.pop();
    for _ in 0..3 {
        import().await.unwrap();
    }
}
