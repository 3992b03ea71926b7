//! Events: in commit order, exactly once, or one resync.

use quire_domain::{CellId, Change, Edit, Json, Output, Results, Revision};
use quire_service::EventKind;

use crate::support::{World, ann, codes, insert, update};

fn change(kind: &EventKind) -> &Change {
    match kind {
        EventKind::Changed(change) => change,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_sees_every_edit_once_and_in_order_whenever_it_came() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (service, id) = (world.service.clone(), id.clone());
            tokio::spawn(async move {
                for n in 0..10 {
                    service.edit(&ann(), &id, None, insert(&format!("c{writer}-{n}"), "x")).await.unwrap();
                }
            })
        })
        .collect();
    let mut watchers = Vec::new();
    for _ in 0..20 {
        let mut watch = world.service.watch(&ann(), &id).await.unwrap();
        watchers.push(tokio::spawn(async move {
            let mut revision = watch.take_start().unwrap().notebook.revision;
            while revision < Revision(80) {
                let event = watch.next().await.unwrap();
                assert_eq!(change(&event.kind).revision.before, revision);
                revision = change(&event.kind).revision.after;
            }
        }));
    }
    for task in writers.into_iter().chain(watchers) {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_watcher_that_is_too_slow_gets_one_resync_and_goes_on_from_there() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let mut watch = world.service.watch(&ann(), &id).await.unwrap();
    for n in 0..400 {
        world.service.edit(&ann(), &id, None, update(&cell, &format!("{n}"))).await.unwrap();
    }
    let resync = watch.next().await.unwrap();
    assert!(matches!(resync.kind, EventKind::Resync));
    assert_eq!(codes(&resync.notebook), ["399"]);
    world.service.edit(&ann(), &id, None, update(&cell, "after")).await.unwrap();
    let event = watch.next().await.unwrap();
    assert_eq!(change(&event.kind).revision.before, Revision(400));
}

#[tokio::test]
async fn an_edit_of_the_file_from_outside_reaches_readers_and_watchers() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "inside")).await.unwrap();
    let mut watch = world.service.watch(&ann(), &id).await.unwrap();
    let file = world.dir.path().join(format!("{id}.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("inside", "outside")).unwrap();
    let event = watch.next().await.unwrap();
    let change = change(&event.kind);
    assert_eq!((change.revision.before, change.revision.after), (Revision(1), Revision(2)));
    assert_eq!(&*change.cells[0].after.as_ref().unwrap().code, "outside");
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["outside"]);
}

/// Events that are published together can exceed the limit of the event buffer.
#[tokio::test]
async fn a_watcher_hears_all_of_a_group_that_lets_go_of_much() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let json = |text: &str| Json::parse(text).unwrap();
    let data = json(&format!("\"{}\"", "x".repeat(3_000_000)));
    let output = Output { mime_type: "text/plain".to_owned(), data, metadata: json("{}") };
    let large = std::sync::Arc::new(Results { outputs: vec![output], ..Results::default() });
    for name in ["one", "two"] {
        world.service.edit(&ann(), &id, None, insert(name, "x")).await.unwrap();
        let set = Edit::SetResults { id: CellId::new(name).unwrap(), results: std::sync::Arc::clone(&large) };
        world.service.edit(&ann(), &id, None, set).await.unwrap();
    }
    let mut watch = world.service.watch(&ann(), &id).await.unwrap();
    let watcher = tokio::spawn(async move {
        for expected in 3..=5 {
            assert_eq!(change(&watch.next().await.unwrap().kind).revision.after, Revision(expected));
        }
    });
    let edits = ["one", "two"].map(|name| Edit::DeleteCell { id: CellId::new(name).unwrap() });
    world.together(&id, update(&cell, "first"), edits.to_vec()).await;
    watcher.await.unwrap();
}

/// The hint comes after the load of the notebook and before the start of its writer task.
#[tokio::test]
async fn an_edit_from_outside_during_the_opening_is_not_missed() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "inside")).await.unwrap();
    let other = world.second();
    let (file, files) = (world.dir.path().join(format!("{id}.json")), std::sync::Arc::clone(&world.files));
    *world.faults.after_load.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace("inside", "outside")).unwrap();
            files.scan_now().await.unwrap();
        })
    }));
    let mut watch = other.watch(&ann(), &id).await.unwrap();
    if codes(&watch.take_start().unwrap().notebook) == ["inside"] {
        watch.next().await.unwrap();
    }
    assert_eq!(codes(&other.get(&ann(), &id).await.unwrap().notebook), ["outside"]);
}

/// A refresh does not change the names of a cell that does not parse.
#[tokio::test]
async fn a_broken_cell_stays_as_it_was_when_another_is_edited_from_outside() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    for edit in [update(&cell, "def f(): return b\na = 1"), insert("second", "b = a"), update(&cell, "def f(: b")] {
        world.service.edit(&ann(), &id, None, edit).await.unwrap();
    }
    let mut watch = world.service.watch(&ann(), &id).await.unwrap();
    let file = world.dir.path().join(format!("{id}.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("b = a", "b = a + 1")).unwrap();
    let event = watch.next().await.unwrap();
    let change = change(&event.kind);
    assert_eq!(change.cycles, []);
    let names = |cell: &quire_domain::CellChange| {
        cell.before.as_ref().unwrap().analysis == cell.after.as_ref().unwrap().analysis
    };
    assert!(change.cells.iter().filter(|change| change.id == cell).all(names));
}

#[tokio::test]
async fn an_edit_from_outside_is_never_overwritten_unseen() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "inside")).await.unwrap();
    let file = world.dir.path().join(format!("{id}.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("inside", "outside")).unwrap();
    let edited = world.service.edit(&ann(), &id, None, insert("more", "more")).await.unwrap();
    assert_eq!(edited.revision, Revision(3));
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["outside", "more"]);
}

#[tokio::test]
async fn a_cycle_made_by_an_edit_is_in_its_change() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "a = b")).await.unwrap();
    let made = world.service.edit(&ann(), &id, None, insert("second", "b = a")).await.unwrap().change.unwrap();
    assert_eq!(made.cycles.len(), 2);
    let published = world.service.get(&ann(), &id).await.unwrap();
    let notebook = &published.notebook;
    let first = notebook.cells.get(0).unwrap();
    assert_eq!(notebook.shown_status(first), quire_domain::CellStatus::Error);
    assert!(notebook.shown_error(first, &notebook.cycle_texts()).unwrap().contains("cell 2 (`b = a`)"));
    let edit = Edit::DeleteCell { id: CellId::new("second").unwrap() };
    let ended = world.service.edit(&ann(), &id, None, edit).await.unwrap().change.unwrap();
    assert_eq!(ended.cycles.iter().map(|change| &change.cycle).collect::<Vec<_>>(), [&None]);
}
