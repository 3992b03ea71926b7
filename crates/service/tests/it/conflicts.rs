//! Conflicts, and edits that are merged.

use quire_domain::{Edit, Revision};
use quire_service::{ChangedSince, Expected, ServiceError};

use crate::support::{World, ann, insert, update};

fn changed(refused: Result<quire_service::Edited, ServiceError>) -> ChangedSince {
    match refused {
        Err(ServiceError::Conflict { changed, .. }) => changed,
        other => panic!("{other:?}"),
    }
}

/// Another server has edited the cell, and this one does not know it yet: no merge loses that edit.
#[tokio::test]
async fn merging_sees_what_another_server_did() {
    let world = World::new();
    let (id, first) = world.notebook().await;
    world.service.edit(&ann(), &id, None, insert("b", "b = 1")).await.unwrap();
    let other = world.second();
    other.edit(&ann(), &id, None, update(&first, "theirs")).await.unwrap();
    let known = Expected::Untouched(Revision(1).into());
    let late = changed(world.service.edit(&ann(), &id, known, update(&first, "ours")).await);
    assert_eq!(late.cells.iter().map(|cell| (&cell.id, cell.deleted)).collect::<Vec<_>>(), [(&first, false)]);
    let merged = world.service.edit(&ann(), &id, known, Edit::DeleteCell { id: first.clone() }).await;
    assert!(matches!(merged, Err(ServiceError::Conflict { .. })), "{merged:?}");
    other.edit(&ann(), &id, None, Edit::DeleteCell { id: first.clone() }).await.unwrap();
    // The conflict names the known revision, so that a retry from there finds the rest.
    let learnt = Expected::Untouched(Revision(2).into());
    let gone = changed(world.service.edit(&ann(), &id, learnt, update(&first, "ours")).await);
    assert_eq!(gone.cells.iter().map(|cell| (&cell.id, cell.deleted)).collect::<Vec<_>>(), [(&first, true)]);
    assert!(gone.complete);
    let b = world.service.get(&ann(), &id).await.unwrap().notebook.cells.get(0).unwrap().id.clone();
    let merged = world.service.edit(&ann(), &id, known, update(&b, "b = 2")).await.unwrap();
    assert_eq!(merged.revision, Revision(4));
}

/// The number of remembered deletions is limited, and a conflict says if its list is incomplete.
#[tokio::test]
async fn so_many_deletions_are_remembered() {
    const REMEMBERED: usize = 1_000;
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let names: Vec<_> = (0..=REMEMBERED).map(|number| format!("c{number}")).collect();
    for is_insertion in [true, false] {
        let edit = |name: &String| {
            let made = insert(name, "");
            let Edit::InsertCell { id: cell, .. } = &made else { panic!("{made:?}") };
            let deleted = Edit::DeleteCell { id: cell.clone() };
            let (service, id) = (world.service.clone(), id.clone());
            async move { service.edit(&ann(), &id, None, if is_insertion { made } else { deleted }).await }
        };
        // In the queue together, hence in order and in few commits.
        for edited in futures_util::future::join_all(names.iter().map(edit)).await {
            edited.unwrap();
        }
    }
    let made = i64::try_from(names.len()).unwrap();
    // The first deletion took revision `made + 1`; it is the one that is forgotten.
    for (expected, complete) in [(made, false), (made + 1, true)] {
        let late = changed(world.service.edit(&ann(), &id, Some(Revision(expected)), update(&cell, "late")).await);
        assert_eq!((late.cells.len(), late.complete), (REMEMBERED, complete), "{expected}");
        assert!(late.cells.iter().all(|cell| cell.deleted));
    }
}
