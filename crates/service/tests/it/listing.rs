//! Lists a page at a time, and the two notebooks that every user has.

use std::sync::Arc;

use quire_domain::{Life, Notebook, NotebookId, Timestamp};
use quire_service::{Sort, SortCursor};
use quire_storage::PageRequest;

use crate::support::{World, ann, bob};

async fn ids(world: &World, limit: Option<usize>) -> Vec<String> {
    let (mut ids, mut request) = (Vec::new(), PageRequest { limit, after: None });
    loop {
        let page = world.service.list(&ann(), &request).await.unwrap();
        ids.extend(page.notebooks.iter().map(|summary| summary.id.to_string()));
        request.after = page.next;
        if request.after.is_none() {
            return ids;
        }
    }
}

async fn sorted_ids(world: &World, sort: Sort, limit: Option<usize>) -> Vec<String> {
    let (mut ids, mut after): (Vec<_>, Option<SortCursor>) = (Vec::new(), None);
    loop {
        let page = world.service.list_sorted(&ann(), sort, limit, after.as_ref()).await.unwrap();
        ids.extend(page.notebooks.iter().map(|summary| summary.id.to_string()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

/// A stored notebook of `ann` that was made at this time.
async fn stored(world: &World, id: &str, at: i64) {
    let at = Timestamp::from_timestamp_micros(at).unwrap();
    let mut notebook = Notebook::new(NotebookId::new(id).unwrap(), Life::UNRECORDED, ann(), at);
    notebook.name = Some(Arc::from(format!("name of {id}")));
    world.store.create(&notebook, None).await.unwrap();
}

#[tokio::test]
async fn pages_make_up_the_list_in_every_order() {
    let world = World::new();
    for (id, at) in [("c", 3), ("a", 1), ("e", 5), ("b", 2), ("d", 4)] {
        stored(&world, id, at).await;
    }
    let all = ids(&world, None).await;
    assert_eq!(all[..5], ["a", "b", "c", "d", "e"]);
    assert_eq!((all.len(), &*all[5]), (7, "blank-ann"));
    for limit in 1..=8 {
        assert_eq!(ids(&world, Some(limit)).await, all, "in pages of {limit}");
    }
    for order in ["created", "-created", "updated", "-updated", "name", "-name"] {
        let sort: Sort = order.parse().unwrap();
        let whole = sorted_ids(&world, sort, None).await;
        assert_eq!(whole.len(), 7);
        for limit in [1, 3, 7] {
            assert_eq!(sorted_ids(&world, sort, Some(limit)).await, whole, "{order} in pages of {limit}");
        }
    }
}

/// The first page is too short to tell that they are missing.
#[tokio::test]
async fn the_first_two_are_made_whatever_part_is_asked_for() {
    let world = World::new();
    for number in 0..5 {
        stored(&world, &format!("old{number}"), number).await;
    }
    let first = PageRequest { limit: Some(2), after: None };
    let page = world.service.list(&ann(), &first).await.unwrap();
    assert_eq!(page.notebooks.len(), 2);
    assert_eq!(ids(&world, None).await[5..], ["blank-ann", "demo-ann"]);
    // Another's list is not concerned.
    let theirs = world.service.list(&bob(), &PageRequest { limit: Some(1), after: None }).await.unwrap();
    assert_eq!(theirs.notebooks[0].id.as_str(), "blank-bob");
}

/// "Counts as present if the caller owns any id beginning `blank-`", which only a later part of the list may tell.
#[tokio::test]
async fn a_blank_notebook_by_another_name_counts() {
    let world = World::new();
    for number in 0..5 {
        stored(&world, &format!("old{number}"), number).await;
    }
    stored(&world, "blank-of-before", 9).await;
    let later = world.service.list(&ann(), &PageRequest { limit: Some(1), after: None }).await.unwrap().next;
    world.service.list(&ann(), &PageRequest { limit: Some(1), after: later }).await.unwrap();
    let own = NotebookId::demo_of(&ann()).unwrap();
    world.service.get(&ann(), &own).await.unwrap();
    assert_eq!(ids(&world, None).await[5..], ["blank-of-before", "demo-ann"]);
}
