//! Edits: revisions, expectations, groups.

use std::sync::Arc;

use quire_domain::{CellId, Edit, Place, Revision, StoredConnection};
use quire_service::ServiceError;

use crate::support::{World, ann, codes, insert, update};

#[tokio::test]
async fn every_edit_takes_the_next_revision_and_is_stored() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let second = CellId::new("second").unwrap();
    let edits = [
        update(&cell, "x = 1"),
        insert("second", "y = x"),
        Edit::MoveCell { id: second.clone(), place: Place::Start },
        Edit::SetCellType { id: second.clone(), cell_type: quire_domain::CellType::Sql },
        Edit::Rename { name: "  Sales ".to_owned() },
        Edit::SetConnection { connection: StoredConnection::new("postgres://h/d").unwrap() },
        Edit::DeleteCell { id: cell },
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let edited = world.service.edit(&ann(), &id, None, edit).await.unwrap();
        assert_eq!(edited.revision, Revision(i64::try_from(index).unwrap() + 1));
    }
    let published = world.service.get(&ann(), &id).await.unwrap();
    assert_eq!(published.notebook.name.as_deref(), Some("Sales"));
    assert_eq!(codes(&published.notebook), ["y = x"]);
    let stored = world.store.load(&id).await.unwrap().unwrap().notebook;
    assert_eq!(codes(&stored), ["y = x"]);
    assert_eq!((stored.revision, stored.name), (Revision(7), published.notebook.name.clone()));
    assert_eq!(stored.connection, published.notebook.connection);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_takes_no_revision_and_no_commit() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    for edit in [
        Edit::Rename { name: "   ".to_owned() },
        Edit::SetConnection { connection: None },
        Edit::MoveCell { id: cell, place: Place::Start },
    ] {
        let edited = world.service.edit(&ann(), &id, None, edit).await.unwrap();
        assert_eq!(edited.revision, Revision(0));
        assert!(edited.change.is_none());
    }
    assert!(world.faults.commits.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stale_expected_revision_conflicts_and_a_fitting_one_does_not() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, Some(Revision(0)), update(&cell, "a")).await.unwrap();
    let refused = world.service.edit(&ann(), &id, Some(Revision(0)), update(&cell, "b")).await;
    assert!(matches!(refused, Err(ServiceError::Conflict { current: Revision(1), .. })));
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["a"]);
}

#[tokio::test]
async fn edits_that_come_during_a_commit_share_the_next_one() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.close_gate();
    let edit = |code: String| {
        let (service, id, cell) = (world.service.clone(), id.clone(), cell.clone());
        tokio::spawn(async move { service.edit(&ann(), &id, None, update(&cell, &code)).await })
    };
    let first = edit("first".to_owned());
    world.commits_waiting(1).await;
    let others: Vec<_> = (0..10).map(|n| edit(format!("n{n}"))).collect();
    // On this one-threaded runtime each of the ten has put its edit into the queue once it has been polled.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.open_gate();
    let mut revisions = vec![first.await.unwrap().unwrap().revision.0];
    for other in others {
        revisions.push(other.await.unwrap().unwrap().revision.0);
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=11).collect::<Vec<_>>());
    assert_eq!(*world.faults.commits.lock().unwrap(), [1, 10]);
}

/// Two services on one store, as two instances would be: no accepted edit is lost, no revision given out twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_lose_nothing_of_each_other() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let services = [world.service.clone(), world.second()];
    let mut tasks = Vec::new();
    for writer in 0..16 {
        let (service, id) = (services[writer % 2].clone(), id.clone());
        tasks.push(tokio::spawn(async move {
            let mut accepted = Vec::new();
            for n in 0..20 {
                let name = format!("cell-{writer}-{n}");
                loop {
                    match service.edit(&ann(), &id, None, insert(&name, &name)).await {
                        Ok(edited) => break accepted.push((edited.revision.0, name)),
                        Err(ServiceError::Contended(_)) => {} // refused, so asked again, as a client would
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            accepted
        }));
    }
    let mut accepted = Vec::new();
    for task in tasks {
        accepted.extend(task.await.unwrap());
    }
    accepted.sort_unstable();
    assert_eq!(accepted.iter().map(|(revision, _)| *revision).collect::<Vec<_>>(), (1..=320).collect::<Vec<_>>());
    let stored = world.store.load(&id).await.unwrap().unwrap().notebook;
    assert_eq!(stored.revision, Revision(320));
    // Each was put at the end of what its revision followed, so the notebook shows them in order of revision.
    let order: Vec<String> = accepted.into_iter().map(|(_, name)| name).collect();
    assert_eq!(codes(&stored)[1..], order);
}

/// A client that has read or edited through another server expects a revision that this one has not heard of.
#[tokio::test]
async fn a_revision_from_another_server_is_no_conflict() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let other = world.second();
    let revision = other.edit(&ann(), &id, None, update(&cell, "x = 1")).await.unwrap().revision;
    let edited = world.service.edit(&ann(), &id, Some(revision), update(&cell, "x = 2")).await.unwrap();
    assert_eq!((revision, edited.revision), (Revision(1), Revision(2)));
    // A revision that no server has assigned is still refused, and the conflict names the stored one.
    let refused = other.edit(&ann(), &id, Some(Revision(9)), update(&cell, "x = 3")).await;
    assert!(matches!(refused, Err(ServiceError::Conflict { current: Revision(2), .. })), "{refused:?}");
}

#[tokio::test]
async fn a_broken_cell_keeps_the_names_of_its_last_good_code() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "y = x")).await.unwrap();
    world.service.edit(&ann(), &id, None, update(&cell, "y = x +")).await.unwrap();
    let published = world.service.get(&ann(), &id).await.unwrap();
    let cell = Arc::clone(published.notebook.cells.get(0).unwrap());
    assert!(cell.broken.is_some());
    assert_eq!((cell.reads().collect::<Vec<_>>(), cell.writes().collect::<Vec<_>>()), (vec!["x"], vec!["y"]));
}
