//! One user's many requests, and another's few.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::{CellType, NotebookId, Place, UserId};
use quire_files::Format;
use quire_service::{
    Budgets, IdempotentOutcome, ImportFile, NotebookService, Options, Quota, RequestContext, RequestKey, ServiceError,
    Sort, SortBy,
};
use quire_storage::{IdempotencyKey, PageRequest, RequestDigest, SearchText};
use tokio::task::JoinHandle;

use crate::support::{World, ann, bob, options, update};

/// The budgets of a server with two processors and ten connections to its database.
fn world() -> World {
    World::with(Options { budgets: Budgets::new(2, 10), ..options() })
}

fn search(service: &NotebookService, user: UserId) -> JoinHandle<Result<(), ServiceError>> {
    let service = service.clone();
    let text = SearchText::new("x").unwrap();
    tokio::spawn(async move { service.search(&user, &text, &PageRequest::default()).await.map(drop) })
}

fn list(service: &NotebookService, user: UserId) -> JoinHandle<Result<(), ServiceError>> {
    let service = service.clone();
    tokio::spawn(async move { service.list(&user, &PageRequest::default()).await.map(drop) })
}

fn get(service: &NotebookService, user: UserId, id: &NotebookId) -> JoinHandle<Result<(), ServiceError>> {
    let (service, id) = (service.clone(), id.clone());
    tokio::spawn(async move { service.get(&user, &id).await.map(drop) })
}

/// A notebook of this user with one cell of a few kilobytes, which is not active.
async fn inactive(world: &World, user: &UserId) -> NotebookId {
    let first = world.another(options());
    let id = first.create(user).await.unwrap();
    let code: Arc<str> = Arc::from("x = 1\n".repeat(1_000));
    first.insert_cell(user, &id, None, (CellType::Python, code), Place::End).await.unwrap();
    first.close().await;
    id
}

/// Of 70 searches at once, two are made, 64 wait and the others are refused; meanwhile a neighbour searches and edits.
#[tokio::test]
async fn many_searches_of_one_user_hold_up_no_other() {
    let world = world();
    let service = &world.service;
    let id = service.create(&bob()).await.unwrap();
    let cell = service.get(&bob(), &id).await.unwrap().notebook.cells.get(0).unwrap().id.clone();
    let turnstile = &world.faults.turnstile;
    turnstile.hold("search");
    let mut hostile: Vec<_> = (0..70).map(|_| search(service, ann())).collect();
    assert_eq!(turnstile.held_calls(2).await, ["ann", "ann"]);
    for refused in hostile.drain(66..) {
        let refused = refused.await.unwrap();
        assert!(matches!(refused, Err(ServiceError::TooMuchAtOnce { what: "searches", waiting: 64 })), "{refused:?}");
    }
    let neighbour = search(service, bob());
    assert_eq!(turnstile.held_calls(1).await, ["ann", "ann", "bob"]);
    service.edit(&bob(), &id, None, update(&cell, "y = 2")).await.unwrap();
    turnstile.release_all();
    neighbour.await.unwrap().unwrap();
    for search in hostile {
        search.await.unwrap().unwrap();
    }
}

/// A user has at most a third of the connections with calls that read much, of whatever kinds.
#[tokio::test]
async fn one_user_never_has_most_connections() {
    let world = world();
    let service = &world.service;
    let (id, cell) = world.notebook().await;
    list(service, ann()).await.unwrap().unwrap();
    list(service, bob()).await.unwrap().unwrap();
    let turnstile = &world.faults.turnstile;
    turnstile.hold("search");
    turnstile.hold("list");
    let mut all: Vec<_> = (0..10).flat_map(|_| [search(service, ann()), list(service, ann())]).collect();
    turnstile.held_calls(3).await;
    all.push(list(service, bob()));
    assert_eq!(turnstile.held_calls(1).await, ["ann", "ann", "ann", "bob"]);
    // Her own edits are short calls.
    service.edit(&ann(), &id, None, update(&cell, "y = 2")).await.unwrap();
    turnstile.release_all();
    for task in all {
        task.await.unwrap().unwrap();
    }
}

/// With twenty openings of one user under way and waiting, another's begins at once.
#[tokio::test]
async fn openings_of_one_user_hold_up_no_other() {
    let world = world();
    let mut hostile = Vec::new();
    for _ in 0..20 {
        hostile.push(inactive(&world, &ann()).await);
    }
    let neighbour = inactive(&world, &bob()).await;
    let turnstile = &world.faults.turnstile;
    turnstile.hold("load");
    let mut all: Vec<_> = hostile.iter().map(|id| get(&world.service, ann(), id)).collect();
    let first = turnstile.held_calls(1).await;
    all.push(get(&world.service, bob(), &neighbour));
    assert_eq!(turnstile.held_calls(1).await, [&first[0], neighbour.as_str()]);
    turnstile.release_all();
    for task in all {
        task.await.unwrap().unwrap();
    }
}

/// A request that goes away while it waits makes no call.
#[tokio::test]
async fn what_nobody_waits_for_is_not_done() {
    let world = world();
    let turnstile = &world.faults.turnstile;
    turnstile.hold("search");
    let running = [search(&world.service, ann()), search(&world.service, ann())];
    turnstile.held_calls(2).await;
    let gone: Vec<_> = (0..64).map(|_| search(&world.service, ann())).collect();
    let refused = search(&world.service, ann()).await.unwrap();
    assert!(matches!(refused, Err(ServiceError::TooMuchAtOnce { .. })));
    for task in &gone {
        task.abort();
    }
    for task in gone {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    let last = search(&world.service, ann());
    turnstile.release_one(0);
    assert_eq!(turnstile.held_calls(1).await.len(), 3);
    turnstile.release_all();
    for task in running.into_iter().chain([last]) {
        task.await.unwrap().unwrap();
    }
}

/// Every use case that calls the store, one after the other.
async fn use_everything(service: NotebookService, user: UserId) -> Result<(), ServiceError> {
    let list = service.list(&user, &PageRequest::default()).await?;
    let sort = Sort { by: SortBy::Name, descending: false };
    service.list_sorted(&user, sort, None, None).await?;
    let key = RequestKey { key: IdempotencyKey([1; 32]), request: RequestDigest([2; 32]) };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (by, context) = (service.clone(), RequestContext { user: user.clone(), key: Some(key) });
        let call = async move |context: RequestContext| by.create(context).await;
        let made: IdempotentOutcome<NotebookId> = service.idempotent(context, call).await?;
        ids.push(made.outcome);
    }
    assert_eq!(ids[0], ids[1]);
    let id = &ids[0];
    service.insert_cell(&user, id, None, (CellType::Python, Arc::from("x = 1\n".repeat(1_000))), Place::End).await?;
    service.graph(&user, id).await?;
    let file = service.export(&service.get(&user, id).await?.published, Format::Json).await?;
    let imported = service.import(&user, ImportFile { bytes: file.into_bytes(), format: None, name: None }).await?;
    let copy = service.duplicate(&user, &imported.id).await?;
    service.search(&user, &SearchText::new("x").unwrap(), &PageRequest::default()).await?;
    for id in [id, &imported.id, &copy.id, &list.notebooks[0].id] {
        service.delete(&user, id).await?;
    }
    Ok(())
}

/// With a single connection, an edit waits for one call of another user, however many of that user wait; and no use case
/// waits for a connection that it has itself.
#[tokio::test]
async fn one_connection_serves_everybody_in_turn() {
    let quota = Quota { notebooks: Some(100), bytes: Some(1_000_000) };
    let world = World::with(Options { budgets: Budgets::new(2, 1), quota, ..options() });
    let service = &world.service;
    let id = service.create(&bob()).await.unwrap();
    let cell = service.get(&bob(), &id).await.unwrap().notebook.cells.get(0).unwrap().id.clone();
    let turnstile = &world.faults.turnstile;
    turnstile.hold("search");
    let mut all: Vec<_> = (0..10).map(|_| search(service, ann())).collect();
    assert_eq!(turnstile.held_calls(1).await, ["ann"]);
    let edit = tokio::spawn({
        let (service, id) = (service.clone(), id.clone());
        async move { service.edit(&bob(), &id, None, update(&cell, "y = 2")).await.map(drop) }
    });
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert!(!edit.is_finished());
    turnstile.release_one(0);
    edit.await.unwrap().unwrap();
    assert_eq!(turnstile.held_calls(1).await, ["ann", "ann"]);
    turnstile.release_all();
    all.extend([ann(), bob()].map(|user| tokio::spawn(use_everything(service.clone(), user))));
    for task in all {
        let done = tokio::time::timeout(Duration::from_mins(1), task).await.expect("something waits for itself");
        done.unwrap().unwrap();
    }
}
