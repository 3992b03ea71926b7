//! Whose turn it is, in each lane and for each use case.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_util::FutureExt as _;
use quire_domain::{CellType, Edit, NotebookId, Place, UserId};
use quire_files::Format;
use quire_storage::{PageRequest, SearchText};
use quire_storage_json::JsonNotebookStore;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::{ImportFile, NotebookService, Options, ServiceError, Sort, SortBy};

fn ann() -> UserId {
    UserId::new("ann").unwrap()
}

fn bob() -> UserId {
    UserId::new("bob").unwrap()
}

/// Budgets small enough to be used up by a few.
fn budgets() -> Budgets {
    let mut budgets = Budgets::new(2, 10);
    for kind in Kind::ALL {
        let max_cost = budgets[kind].max_cost;
        budgets[kind] = Budget { at_once: 2, at_once_per_user: 2, waiting: 30, waiting_per_user: 20, max_cost };
    }
    budgets
}

fn lanes() -> Lanes {
    Lanes::new(&budgets(), &Handle::current())
}

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Permit, ServiceError>> + Send + 'a>>;

/// A user's work that waits for its turn.
async fn waiting<'a>(lane: &'a Arc<Lane>, user: &'a UserId) -> Entering<'a> {
    let mut entering: Entering<'a> = Box::pin(lane.enter(user, 100));
    assert!(is_pending(&mut entering).await);
    entering
}

async fn is_pending(entering: &mut Entering<'_>) -> bool {
    poll_fn(|context| Poll::Ready(entering.as_mut().poll(context).is_pending())).await
}

/// In each lane, while a hostile user has all places and 20 pieces of work waiting, the next place that becomes free is
/// another user's.
#[tokio::test]
async fn a_neighbour_is_next_in_every_lane() {
    let (lanes, ann, bob) = (lanes(), ann(), bob());
    for kind in Kind::ALL {
        let lane = lanes.of(kind);
        let mut running = vec![lane.enter(&ann, 1).await.unwrap(), lane.enter(&ann, 1).await.unwrap()];
        let mut hostile = Vec::new();
        for _ in 0..20 {
            hostile.push(waiting(lane, &ann).await);
        }
        let refused = lane.enter(&ann, 1).await;
        assert!(matches!(refused, Err(ServiceError::TooMuchAtOnce { waiting: 20, .. })), "{refused:?}");
        let neighbour = waiting(lane, &bob).await;
        drop(running.pop());
        let permit = neighbour.now_or_never().expect("it is the neighbour's turn").unwrap();
        for entering in &mut hostile {
            assert!(is_pending(entering).await, "{kind:?}");
        }
        drop(permit);
        assert!(hostile.remove(0).now_or_never().is_some(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_full_lane_refuses_everybody() {
    let (lanes, lane) = (lanes(), Kind::Search);
    let lane = lanes.of(lane);
    let users: Vec<UserId> = (0..4).map(|number| UserId::new(format!("user-{number}")).unwrap()).collect();
    let _running = [lane.enter(&users[0], 1).await.unwrap(), lane.enter(&users[0], 1).await.unwrap()];
    let mut all = Vec::new();
    for user in users[..3].iter().cycle().take(30) {
        all.push(waiting(lane, user).await);
    }
    assert!(matches!(lane.enter(&users[3], 1).await, Err(ServiceError::Busy { what: "searches" })));
}

#[tokio::test]
async fn whoever_goes_away_leaves_the_queue() {
    let (lanes, ann, bob) = (lanes(), ann(), bob());
    let lane = lanes.of(Kind::Export);
    let running = [lane.enter(&ann, 1).await.unwrap(), lane.enter(&ann, 1).await.unwrap()];
    for _ in 0..100 {
        drop(waiting(lane, &bob).await);
    }
    let mut last = waiting(lane, &bob).await;
    drop(waiting(lane, &ann).await);
    // One who goes away in the moment of being called gives the turn to the next.
    let called = waiting(lane, &ann).await;
    drop(running);
    drop(called);
    assert!(!is_pending(&mut last).await);
    assert!(lane.enter(&ann, 1).now_or_never().is_some());
}

#[tokio::test]
async fn work_that_panics_gives_its_place_back() {
    let (lanes, ann) = (lanes(), ann());
    let lane = lanes.of(Kind::Graph);
    for _ in 0..3 {
        let permit = lane.enter(&ann, 1).await.unwrap();
        let outcome: Result<(), _> =
            permit.run_blocking(|| "do as a test wants".to_owned(), || panic!("as a test wants it")).await;
        let error: quire_storage::StoreError = outcome.unwrap_err();
        assert!(error.to_string().contains("do as a test wants"), "{error}");
    }
}

/// Work that has begun goes on when nobody waits for it, and holds its place until it ends.
#[tokio::test]
async fn work_under_way_holds_its_place() {
    let (lanes, ann) = (lanes(), ann());
    let lane = lanes.of(Kind::Graph);
    let _other = lane.enter(&ann, 1).await.unwrap();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let permit = lane.enter(&ann, 1).await.unwrap();
    let mut work = Box::pin(permit.run_blocking(String::new, move || may_go_on.recv().unwrap()));
    assert!(poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending())).await);
    drop(work);
    let next = waiting(lane, &ann).await;
    go_on.send(()).unwrap();
    drop(next.await.unwrap());
}

#[tokio::test]
async fn what_costs_too_much_is_refused_at_once() {
    let refused = lanes().of(Kind::Import).enter(&ann(), u64::MAX).await;
    assert!(matches!(refused, Err(ServiceError::TooCostly { what: "imports", .. })), "{refused:?}");
}

#[tokio::test]
async fn closing_refuses_what_waits_but_not_what_edits_need() {
    let (lanes, ann) = (lanes(), ann());
    for kind in Kind::ALL {
        let lane = lanes.of(kind);
        let running = [lane.enter(&ann, 1).await.unwrap(), lane.enter(&ann, 1).await.unwrap()];
        let bounded = waiting(lane, &ann).await;
        let always = tokio::spawn({
            let (lane, ann) = (Arc::clone(lane), ann.clone());
            async move { lane.enter_always(&ann, 1).await }
        });
        while lane.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        lane.close();
        if kind.serves_edits() {
            drop(running);
            assert!(bounded.await.is_ok(), "{kind:?}");
        } else {
            assert!(matches!(bounded.now_or_never(), Some(Err(ServiceError::Closing))), "{kind:?}");
            assert!(matches!(lane.enter(&ann, 1).await, Err(ServiceError::Closing)), "{kind:?}");
            drop(running);
        }
        drop(always.await.unwrap());
    }
}

/// A service whose notebooks are big enough to be opened in a lane.
struct World {
    service: NotebookService,
    _dir: TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = JsonNotebookStore::open(dir.path(), quire_storage_json::Options::default()).unwrap();
        let quota = crate::Quota { notebooks: Some(1_000), bytes: None };
        let options = Options { budgets: budgets(), plain_connections: true, quota, ..Options::default() };
        Self { service: NotebookService::new(Arc::new(store), options).unwrap(), _dir: dir }
    }

    async fn notebook(&self) -> NotebookId {
        self.service.import(&ann(), file()).await.unwrap().id
    }

    fn lane(&self, kind: Kind) -> &Arc<Lane> {
        self.service.shared.limits.lanes.of(kind)
    }

    /// A notebook to begin a use case with, and the user as known as the use case needs.
    async fn prepare(&self, kind: Kind) -> NotebookId {
        let id = self.notebook().await;
        if kind != Kind::Opening {
            self.service.get(&ann(), &id).await.unwrap(); // so that it is active
        }
        id
    }

    /// Begins a use case of Ann's that needs this kind of work.
    fn begin(&self, kind: Kind, id: NotebookId) -> JoinHandle<Result<(), ServiceError>> {
        let service = self.service.clone();
        tokio::spawn(async move {
            let ann = ann();
            let insert = |bytes: usize| {
                let code = Arc::from("x = 1\n".repeat(bytes / 6));
                service.insert_cell(&ann, &id, None, (CellType::Python, code), Place::End).map(|done| done.map(drop))
            };
            match kind {
                Kind::ShortAnalysis => insert(10_000).await,
                Kind::LongAnalysis => insert(100_000).await,
                Kind::Opening => service.get(&ann, &id).await.map(drop),
                Kind::Refresh => {
                    service.shared.registry.catch_up(&id, None).await;
                    Ok(())
                }
                Kind::Graph => service.graph(&ann, &id).await.map(drop),
                Kind::Export => {
                    let published = service.get(&ann, &id).await?;
                    service.export(&published, Format::Json).await.map(drop)
                }
                Kind::Import => service.import(&ann, file()).await.map(drop),
                Kind::Duplicate => service.duplicate(&ann, &id).await.map(drop),
                Kind::List => {
                    let sort = Sort { by: SortBy::Name, descending: false };
                    service.list(&ann, &PageRequest::default()).await?;
                    service.list_sorted(&ann, sort, None, None).await.map(drop)
                }
                Kind::Search => {
                    let text = SearchText::new("x").unwrap();
                    service.search(&ann, &text, &PageRequest::default()).await.map(drop)
                }
                // A user of whom nothing is known yet.
                Kind::Usage => service.create(&bob()).await.map(drop),
                // A list reads much, whatever else.
                Kind::SlowStoreCall => service.list(&ann, &PageRequest::default()).await.map(drop),
                Kind::StoreCall => {
                    let edit = Edit::Rename { name: "renamed".to_owned() };
                    service.edit(&ann, &id, None, edit).await.map(drop)
                }
            }
        })
    }
}

fn file() -> ImportFile {
    let code = "x = 1\n".repeat(1_000);
    let cell = serde_json::json!({"id": "a", "type": "python", "code": code});
    let notebook = serde_json::json!({"name": "Big", "cells": [cell]});
    ImportFile { bytes: notebook.to_string().into_bytes(), format: None, name: None }
}

/// While all places of one kind are taken, a use case that needs it waits, and those that need another kind do not.
#[tokio::test]
async fn kinds_do_not_wait_for_each_other() {
    // All others need store calls too.
    let heavy = &Kind::ALL[..Kind::ALL.len() - 2];
    for &held in heavy {
        let world = World::new();
        let mut prepared = Vec::new();
        for &kind in heavy {
            prepared.push((kind, world.prepare(kind).await));
        }
        let lane = world.lane(held);
        let permits = [lane.enter_first().await, lane.enter_first().await];
        let (_, id) = prepared.iter().find(|(kind, _)| *kind == held).unwrap();
        let waits = world.begin(held, id.clone());
        for (other, id) in prepared.iter().filter(|(kind, _)| *kind != held) {
            let done = world.begin(*other, id.clone()).await.unwrap();
            assert!(done.is_ok(), "{other:?} while {held:?} is held: {done:?}");
        }
        assert!(!waits.is_finished(), "{held:?}");
        drop(permits);
        waits.await.unwrap().unwrap();
    }
}

/// A short call of the store waits for slow ones of the same user only as far as all calls do.
#[tokio::test]
async fn edits_do_not_wait_for_slow_calls() {
    let world = World::new();
    let ids = [world.prepare(Kind::StoreCall).await, world.prepare(Kind::SlowStoreCall).await];
    let [slow, all] = [Kind::SlowStoreCall, Kind::StoreCall].map(|kind| world.lane(kind));
    let held = [slow.enter_first().await, slow.enter_first().await];
    let list = world.begin(Kind::SlowStoreCall, ids[1].clone());
    world.begin(Kind::StoreCall, ids[0].clone()).await.unwrap().unwrap();
    assert!(!list.is_finished());
    drop(held);
    list.await.unwrap().unwrap();
    let _held = [all.enter_first().await, all.enter_first().await];
    let edit = world.begin(Kind::StoreCall, ids[1].clone());
    while all.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!edit.is_finished());
}

/// Edits that wait for their analysis are stored when the service closes; an import that waits is refused.
#[tokio::test]
async fn closing_stores_edits_and_refuses_imports_that_wait() {
    let world = World::new();
    let id = world.notebook().await;
    world.service.get(&ann(), &id).await.unwrap();
    let [analysis, import] = [Kind::ShortAnalysis, Kind::Import].map(|kind| Arc::clone(world.lane(kind)));
    let held = [analysis.enter_first().await, analysis.enter_first().await];
    let _imports = [import.enter_first().await, import.enter_first().await];
    let edit = tokio::spawn({
        let (service, id) = (world.service.clone(), id.clone());
        async move {
            let code = Arc::from("y = 1\n".repeat(1_000));
            service.insert_cell(&ann(), &id, None, (CellType::Python, code), Place::End).await
        }
    });
    let imported = tokio::spawn({
        let service = world.service.clone();
        async move { service.import(&ann(), file()).await }
    });
    while analysis.waiting() == 0 || import.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let closing = tokio::spawn({
        let service = world.service.clone();
        async move { service.close().await }
    });
    assert!(matches!(imported.await.unwrap(), Err(ServiceError::Closing)));
    drop(held);
    edit.await.unwrap().unwrap();
    closing.await.unwrap();
}
