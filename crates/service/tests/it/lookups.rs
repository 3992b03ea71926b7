//! Look-ups of versions in a store that other servers use, while they fail, hang or panic.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quire_domain::{NotebookId, UserId};
use quire_service::{Budgets, NotebookService, Options};
use quire_storage::{
    IdempotencyRepository, NotebookQueries, NotebookRepository, NotebookStore, PageRequest, StoreError, StoreEvent,
    StoredVersion, forward,
};
use tokio::sync::broadcast;

use crate::support::{World, ann, bob, options, unavailable, update};

/// Time-out for what takes the service some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the next look-up does.
#[derive(Debug)]
enum Fault {
    Refuse,
    Panic,
}

/// A store that other servers use, and that does not tell of their changes.
#[derive(Debug)]
struct Shared {
    store: Arc<dyn NotebookStore>,
    /// The faults of the next look-ups, in order.
    faults: Arc<Mutex<VecDeque<Fault>>>,
    hints: broadcast::Sender<StoreEvent>,
}

impl NotebookRepository for Shared {
    forward!(store: create, load, commit, replace, delete);
}

impl IdempotencyRepository for Shared {
    forward!(store: put_records, record, delete_old_records);
}

#[async_trait]
impl NotebookQueries for Shared {
    forward!(store: owner, list, search, digests, usage, versions, health);

    async fn fresh_versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            Some(Fault::Refuse) => Err(unavailable()),
            Some(Fault::Panic) => panic!("a test said so"),
            None => self.store.fresh_versions(ids).await,
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.hints.subscribe()
    }
}

/// Creates another server of the world's store, and the list of the faults of its look-ups.
fn server(world: &World, options: Options) -> (NotebookService, Arc<Mutex<VecDeque<Fault>>>) {
    let faults = Arc::<Mutex<VecDeque<Fault>>>::default();
    let (hints, _) = broadcast::channel(1);
    let store = Shared { store: Arc::clone(&world.store), faults: Arc::clone(&faults), hints };
    (NotebookService::new(Arc::new(store), options).unwrap(), faults)
}

async fn is_stale(service: &NotebookService, id: &NotebookId) -> bool {
    let view = tokio::time::timeout(PATIENCE, service.get(&ann(), id)).await.expect("a reader is answered");
    view.unwrap().is_stale
}

/// Waits until reads are no longer marked stale.
async fn until_fresh(service: &NotebookService, id: &NotebookId) {
    let fresh = async {
        while is_stale(service, id).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, fresh).await.expect("the store is probed until it responds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_away_is_found_again_after_a_probe_has_panicked() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let (service, faults) = server(&world, options());
    assert!(!is_stale(&service, &id).await);
    faults.lock().unwrap().extend([Fault::Refuse, Fault::Panic]);
    assert!(is_stale(&service, &id).await);
    until_fresh(&service, &id).await;
    assert!(faults.lock().unwrap().is_empty(), "a probe has panicked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_one_look_up_does_not_concern_the_next() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let (service, faults) = server(&world, options());
    assert!(!is_stale(&service, &id).await);
    faults.lock().unwrap().push_back(Fault::Panic);
    assert!(is_stale(&service, &id).await);
    assert!(!is_stale(&service, &id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_hear_of_other_servers_after_a_poll_has_panicked() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let (service, faults) = server(&world, options());
    let mut watch = service.watch(&ann(), &id).await.unwrap();
    watch.take_start();
    faults.lock().unwrap().push_back(Fault::Panic);
    let polled = async {
        while !faults.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polled).await.expect("the notebook is polled");
    world.service.edit(&ann(), &id, None, update(&cell, "x = 1")).await.unwrap();
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("polling goes on").unwrap();
}

/// A look-up waits no longer for its turn than for the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_answered_while_the_calls_on_all_connections_hang() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let (service, _) = server(&world, Options { budgets: Budgets::for_store_calls(1), ..options() });
    assert!(!is_stale(&service, &id).await);
    world.faults.turnstile.hold("list");
    let listing = tokio::spawn({
        let service = service.clone();
        async move { service.list(&bob(), &PageRequest::default()).await.map(|_page| ()) }
    });
    let bob: UserId = bob();
    assert_eq!(world.faults.turnstile.held_calls(1).await, [bob.as_str()]);
    assert!(is_stale(&service, &id).await);
    world.faults.turnstile.release_all();
    listing.await.unwrap().unwrap();
    until_fresh(&service, &id).await;
}
