//! Resumed subscriptions: exactly the missed events, or one resync.

use futures_util::FutureExt as _;
use quire_domain::{Edit, NotebookId, Revision};
use quire_service::{EventKind, Options, Seq, Subscription};

use crate::support::{World, ann, insert, options, update};

async fn revisions(watch: &mut Subscription, last: Revision) -> Vec<i64> {
    let mut seen = Vec::new();
    loop {
        let event = watch.next().await.unwrap();
        let EventKind::Changed(change) = &event.kind else { panic!("{event:?}") };
        assert_eq!(change.revision.after, event.notebook.revision);
        seen.push(change.revision.after.0);
        if change.revision.after == last {
            return seen;
        }
    }
}

/// The first event of a resumed subscription.
#[derive(Debug, PartialEq)]
enum First {
    Resync,
    /// The change that led to this revision.
    Change(Revision),
    Nothing,
}

fn first(watch: &mut Subscription) -> First {
    let Some(event) = watch.next().now_or_never() else { return First::Nothing };
    let event = event.unwrap();
    match &event.kind {
        EventKind::Changed(change) => First::Change(change.revision.after),
        EventKind::Resync => {
            assert!(watch.take_start().is_none(), "what has been replaced is not held");
            First::Resync
        }
        EventKind::Transient(_) | EventKind::Recovered(_) | EventKind::Deleted => panic!("{event:?}"),
    }
}

async fn resumed(world: &World, id: &NotebookId, last: Seq) -> First {
    first(&mut world.service.resume(&ann(), id, last).await.unwrap())
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_it_missed_then_what_happens() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let (other, other_cell) = world.notebook().await;
    let mut numbers = vec![world.service.get(&ann(), &id).await.unwrap().seq];
    for n in 1..=20 {
        world.service.edit(&ann(), &id, None, update(&cell, &format!("{n}"))).await.unwrap();
        // Events of other notebooks take numbers in between.
        world.service.edit(&ann(), &other, None, update(&other_cell, "x")).await.unwrap();
        numbers.push(world.service.get(&ann(), &id).await.unwrap().seq);
    }
    for (seen, number) in (0..).zip(numbers) {
        let mut watch = world.service.resume(&ann(), &id, number).await.unwrap();
        let last = watch.take_start().unwrap().notebook.revision.next().unwrap();
        world.service.edit(&ann(), &id, None, update(&cell, "later")).await.unwrap();
        let told = revisions(&mut watch, last).await;
        assert_eq!(told, (seen + 1..=last.0).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_number_that_is_not_known_here_gives_one_resync() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let start = world.service.get(&ann(), &id).await.unwrap().seq;
    assert_eq!(resumed(&world, &id, start).await, First::Nothing);
    let other = world.second().get(&ann(), &id).await.unwrap().seq;
    assert_eq!(resumed(&world, &id, other).await, First::Resync, "of another server");
    let near = |number| Seq { number, ..start };
    assert_eq!(resumed(&world, &id, near(start.number + 1)).await, First::Resync, "not given out yet");
    assert_eq!(resumed(&world, &id, near(start.number - 1)).await, First::Resync, "before the notebook was opened");
    for n in 0..257 {
        world.service.edit(&ann(), &id, None, update(&cell, &format!("{n}"))).await.unwrap();
    }
    assert_eq!(resumed(&world, &id, start).await, First::Resync, "too many events ago");
    assert_eq!(resumed(&world, &id, near(start.number + 1)).await, First::Change(Revision(2)));
}

/// An event holds the content that it has replaced; 4 MiB of that are kept.
#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let edit = async |edit| world.service.edit(&ann(), &id, None, edit).await.unwrap();
    let mut slow = world.service.watch(&ann(), &id).await.unwrap();
    let mut numbers = Vec::new();
    for n in 0..30 {
        numbers.push(world.service.get(&ann(), &id).await.unwrap().seq);
        edit(update(&cell, &format!("{n}{}", " ".repeat(196 * 1024)))).await;
    }
    // Twenty times 200 KiB, a little more for each event included, fit.
    assert_eq!(resumed(&world, &id, numbers[9]).await, First::Resync);
    assert_eq!(resumed(&world, &id, numbers[10]).await, First::Change(Revision(11)));
    // A cell that is new holds nothing that the notebook does not; one that is gone is held by nothing else.
    edit(insert("big", &" ".repeat(250 * 1024))).await;
    assert_eq!(resumed(&world, &id, numbers[10]).await, First::Change(Revision(11)));
    edit(Edit::DeleteCell { id: quire_domain::CellId::new("big").unwrap() }).await;
    assert_eq!(resumed(&world, &id, numbers[10]).await, First::Resync);
    assert_eq!(resumed(&world, &id, numbers[11]).await, First::Change(Revision(12)));
    // Code that becomes short was long.
    edit(update(&cell, "")).await;
    assert_eq!(resumed(&world, &id, numbers[11]).await, First::Resync);
    assert_eq!(resumed(&world, &id, numbers[12]).await, First::Change(Revision(13)));
    // A slow watcher keeps no more events than a resumed one.
    let resync = slow.next().now_or_never().unwrap().unwrap();
    assert!(matches!(resync.kind, EventKind::Resync));
    assert_eq!(resync.notebook.revision, Revision(33));
    edit(update(&cell, "after")).await;
    assert_eq!((first(&mut slow), first(&mut slow)), (First::Change(Revision(34)), First::Nothing));
}

/// The analysis of a code can be much larger than the code.
#[tokio::test]
async fn what_is_kept_is_bounded_in_names() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let start = world.service.get(&ann(), &id).await.unwrap().seq;
    for edit in 0..12 {
        let names: Vec<_> = (0..9_000).map(|name| format!("n{edit}_{name}")).collect();
        world.service.edit(&ann(), &id, None, update(&cell, &names.join("\n"))).await.unwrap();
    }
    assert_eq!(resumed(&world, &id, start).await, First::Resync);
}

#[tokio::test]
async fn a_notebook_that_left_memory_gives_a_resync() {
    let world = World::with(Options { memory_bytes: 60_000, ..options() });
    let (id, _) = world.notebook().await;
    let seq = world.service.get(&ann(), &id).await.unwrap().seq;
    while world.service.get(&ann(), &id).await.unwrap().seq == seq {
        let (other, _) = world.notebook().await;
        world.service.get(&ann(), &other).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(resumed(&world, &id, seq).await, First::Resync);
}
