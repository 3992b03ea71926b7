//! Ownership of notebooks, and the two notebooks that every user has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quire_domain::{Edit, Notebook, NotebookId, Timestamp};
use quire_service::{Clock, NotebookService, Options, ServiceError};
use quire_storage::PageRequest;

use crate::support::{World, ann, bob, codes, options, update};

#[tokio::test]
async fn a_foreign_notebook_is_refused_in_every_use_case() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let foreign = |error: ServiceError| assert!(matches!(error, ServiceError::Foreign(_)), "{error}");
    foreign(world.service.get(&bob(), &id).await.unwrap_err());
    foreign(world.service.watch(&bob(), &id).await.unwrap_err());
    foreign(world.service.edit(&bob(), &id, None, update(&cell, "mine")).await.unwrap_err());
    foreign(world.service.delete(&bob(), &id).await.unwrap_err());
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), [""]);
    let page = world.service.list(&bob(), &PageRequest::default()).await.unwrap();
    assert!(page.notebooks.iter().all(|summary| summary.owner == bob()));
}

#[tokio::test]
async fn a_stranger_costs_one_question_whether_the_notebook_is_in_memory_in_the_store_or_nowhere() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let asked = || (world.faults.owners.load(Ordering::SeqCst), world.faults.loads.load(Ordering::SeqCst));
    let ask = async |service: &NotebookService, id: &NotebookId| {
        let before = asked();
        let refused = service.get(&bob(), id).await.unwrap_err();
        assert_eq!(asked(), (before.0 + 1, before.1), "{refused}");
        refused
    };
    world.service.get(&ann(), &id).await.unwrap();
    let unknown = NotebookId::new("nowhere").unwrap();
    // The second has nothing in memory, and the stranger's first question leaves it so.
    for service in [&world.service, &world.second()] {
        for _ in 0..2 {
            assert!(matches!(ask(service, &id).await, ServiceError::Foreign(_)));
            assert!(matches!(ask(service, &unknown).await, ServiceError::UnknownNotebook(_)));
        }
    }
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), [""]);
}

/// Asking for what is not there, or not one's own, does not push anything out of memory.
#[tokio::test]
async fn strangers_and_made_up_ids_leave_what_is_in_memory_there() {
    let world = World::with(Options { memory_bytes: 60_000, ..options() });
    let (id, _) = world.notebook().await;
    let (others, _) = world.notebook().await;
    let seq = world.service.get(&ann(), &id).await.unwrap().seq;
    for n in 0..20 {
        let made_up = NotebookId::new(format!("made-up-{n}")).unwrap();
        assert!(world.service.get(&ann(), &made_up).await.is_err());
        assert!(world.service.get(&bob(), &others).await.is_err());
        assert_eq!(world.service.get(&ann(), &id).await.unwrap().seq, seq);
    }
}

async fn ids(world: &World) -> Vec<String> {
    let page = world.service.list(&ann(), &PageRequest::default()).await.unwrap();
    page.notebooks.iter().map(|summary| summary.id.to_string()).collect()
}

#[tokio::test]
async fn a_new_user_gets_blank_first_and_demo_second() {
    let world = World::new();
    assert_eq!(ids(&world).await, ["blank-ann", "demo-ann"]);
    let demo = world.service.get(&ann(), &NotebookId::new("demo-ann").unwrap()).await.unwrap();
    assert_eq!((demo.notebook.cells.len(), demo.notebook.revision.0, &demo.notebook.name), (6, 0, &None));
    // Every cell but the first depends on one above: the demo shows the chain.
    let open = quire_domain::OpenNotebook::open(demo.notebook.clone());
    for cell in demo.notebook.cells.iter().skip(1) {
        assert!(!open.graph().parents(&cell.id).is_empty(), "{}", cell.code);
        assert!(cell.broken.is_none());
    }
    let blank = world.service.get(&ann(), &NotebookId::new("blank-ann").unwrap()).await.unwrap();
    assert_eq!((codes(&blank.notebook), blank.notebook.name.as_deref()), (vec![String::new()], Some("Blank Notebook")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_first_lists_at_once_on_two_services_make_one_of_each() {
    let world = World::new();
    let services = [world.service.clone(), world.second()];
    let lists: Vec<_> = (0..16)
        .map(|n| {
            let service = services[n % 2].clone();
            tokio::spawn(async move { service.list(&ann(), &PageRequest::default()).await.unwrap().notebooks.len() })
        })
        .collect();
    for list in lists {
        assert_eq!(list.await.unwrap(), 2);
    }
    assert_eq!(ids(&world).await, ["blank-ann", "demo-ann"]);
}

/// A clock that another server's is ahead of.
#[derive(Debug)]
struct Behind;

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp_micros(50).unwrap()
    }
}

#[tokio::test]
async fn blank_is_first_whichever_servers_clock_is_ahead() {
    let world = World::with(Options { clock: Arc::new(Behind), ..options() });
    let ahead = Timestamp::from_timestamp_micros(100).unwrap();
    let blank = Notebook::new(NotebookId::new("blank-ann").unwrap(), quire_domain::Life::UNRECORDED, ann(), ahead);
    world.store.create(&blank, None).await.unwrap();
    assert_eq!(ids(&world).await, ["blank-ann", "demo-ann"]);
}

#[tokio::test]
async fn a_deleted_one_comes_back_with_the_next_list() {
    let world = World::new();
    ids(&world).await;
    world.service.delete(&ann(), &NotebookId::new("blank-ann").unwrap()).await.unwrap();
    let mut back = ids(&world).await;
    back.sort();
    assert_eq!(back, ["blank-ann", "demo-ann"]);
}

#[tokio::test]
async fn any_id_that_begins_with_blank_counts_as_the_blank_one() {
    let world = World::new();
    let mut other = quire_domain::Notebook::new(
        NotebookId::new("blank-older").unwrap(),
        quire_domain::Life::UNRECORDED,
        ann(),
        quire_domain::Timestamp::default(),
    );
    other.name = Some("mine".into());
    world.store.create(&other, None).await.unwrap();
    assert_eq!(ids(&world).await, ["blank-older", "demo-ann"]);
}

#[tokio::test]
async fn the_two_are_there_before_the_first_list_and_by_their_aliases() {
    let world = World::new();
    for alias in ["demo", "blank"] {
        let id = world.service.resolve(&ann(), alias).unwrap();
        assert_eq!(id.as_str(), format!("{alias}-ann"));
        world.service.get(&ann(), &id).await.unwrap();
    }
    let foreign = NotebookId::new("demo-bob").unwrap();
    assert!(matches!(world.service.get(&ann(), &foreign).await, Err(ServiceError::UnknownNotebook(_))));
    // Changing is no reason to make one.
    let edit = Edit::Rename { name: "x".to_owned() };
    let refused = world.service.edit(&bob(), &foreign, None, edit).await;
    assert!(matches!(refused, Err(ServiceError::UnknownNotebook(_))));
    world.service.watch(&bob(), &foreign).await.unwrap();
}

#[tokio::test]
async fn a_damaged_blank_notebook_does_not_cost_the_demo() {
    let world = World::new();
    std::fs::write(world.dir.path().join("blank-ann.json"), "{").unwrap();
    assert_eq!(ids(&world).await, ["demo-ann"]);
    let blank = world.service.resolve(&ann(), "blank").unwrap();
    let damaged = world.service.get(&ann(), &blank).await;
    assert!(matches!(damaged, Err(ServiceError::Store(quire_storage::StoreError::Damaged { .. }))));
}
