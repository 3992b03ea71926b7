//! Quotas of users.

use quire_domain::{NotebookId, UserId};
use quire_service::{Options, Quota, ServiceError};
use quire_storage::PageRequest;

use crate::support::{World, ann, bob, insert, options, update};

fn limited(notebooks: Option<u64>, bytes: Option<u64>) -> World {
    World::with(Options { quota: Quota { notebooks, bytes }, ..options() })
}

fn is_over<T: std::fmt::Debug>(outcome: &Result<T, ServiceError>, over: &str) -> bool {
    matches!(outcome, Err(ServiceError::OverQuota { what, .. }) if *what == over)
}

#[tokio::test]
async fn one_notebook_more_than_may_be_kept_is_refused() {
    let world = limited(Some(4), None);
    let service = &world.service;
    assert_eq!(service.list(&ann(), &PageRequest::default()).await.unwrap().notebooks.len(), 2);
    let (id, cell) = world.notebook().await;
    service.duplicate(&ann(), &id).await.unwrap();
    assert!(is_over(&service.create(&ann()).await, "notebooks"));
    assert!(is_over(&service.duplicate(&ann(), &id).await, "notebooks"));
    service.edit(&ann(), &id, None, update(&cell, "a longer text is no notebook")).await.unwrap();
    service.create(&bob()).await.unwrap();
    service.delete(&ann(), &id).await.unwrap();
    service.create(&ann()).await.unwrap();
    assert!(is_over(&service.create(&ann()).await, "notebooks"));
    assert_eq!(world.store.usage(&ann()).await.unwrap().notebooks, 4);
}

#[tokio::test]
async fn the_first_two_notebooks_are_always_made() {
    let world = limited(Some(1), Some(1));
    let user = UserId::new("new").unwrap();
    assert_eq!(world.service.list(&user, &PageRequest::default()).await.unwrap().notebooks.len(), 2);
    assert!(is_over(&world.service.create(&user).await, "notebooks"));
}

#[tokio::test]
async fn more_bytes_than_may_be_kept_are_refused_and_fewer_never() {
    let world = limited(None, Some(20_000));
    let service = &world.service;
    let (id, cell) = world.notebook().await;
    let long = "x".repeat(15_000);
    service.edit(&ann(), &id, None, update(&cell, &long)).await.unwrap();
    assert!(is_over(&service.edit(&ann(), &id, None, insert("new", &long)).await, "bytes"));
    assert!(is_over(&service.duplicate(&ann(), &id).await, "bytes"));
    assert_eq!(service.get(&ann(), &id).await.unwrap().notebook.cells.len(), 1, "what was refused did not happen");
    // As long as before, shorter, or of no length at all: none of it needs room.
    for code in ["y".repeat(15_000), "z".repeat(14_000)] {
        service.edit(&ann(), &id, None, update(&cell, &code)).await.unwrap();
    }
    service.edit(&ann(), &id, None, update(&cell, "short")).await.unwrap();
    // The user has deleted something, so the usage is queried again.
    service.edit(&ann(), &id, None, insert("new", &long)).await.unwrap();
}

#[tokio::test]
async fn what_another_server_stored_counts_when_it_is_looked_at_anew() {
    let world = limited(Some(3), None);
    let other = world.another(options());
    for _ in 0..3 {
        other.create(&ann()).await.unwrap();
    }
    assert!(is_over(&world.service.create(&ann()).await, "notebooks"));
    let unknown = NotebookId::new("unknown").unwrap();
    assert!(matches!(world.service.duplicate(&ann(), &unknown).await, Err(ServiceError::UnknownNotebook(_))));
}

#[tokio::test]
async fn of_many_at_once_no_more_are_let_in_than_may_be() {
    let world = limited(Some(5), None);
    let creations = (0..40).map(|_| {
        let service = world.service.clone();
        tokio::spawn(async move { service.create(&ann()).await.is_ok() })
    });
    let mut made = 0;
    for creation in creations.collect::<Vec<_>>() {
        made += u64::from(creation.await.unwrap());
    }
    assert_eq!((made, world.store.usage(&ann()).await.unwrap().notebooks), (5, 5));
}
