//! A watcher that was cut off and comes back: exactly what it missed, or one resync.

use std::time::Duration;

use quire_domain::{Edit, NotebookId, Revision};
use quire_service::{EventKind, Options, Seq, Watch};

use crate::support::{World, ann, insert, options, update};

async fn revisions(watch: &mut Watch, last: Revision) -> Vec<i64> {
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

async fn is_resync(world: &World, id: &NotebookId, last: Seq) -> bool {
    let mut watch = world.service.resume(&ann(), id, last).await.unwrap();
    let first = tokio::time::timeout(Duration::from_millis(20), watch.next()).await;
    matches!(first, Ok(Some(event)) if matches!(event.kind, EventKind::Resync) && event.seq == watch.start.seq)
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
        let last = watch.start.notebook.revision.next().unwrap();
        world.service.edit(&ann(), &id, None, update(&cell, "later")).await.unwrap();
        let told = revisions(&mut watch, last).await;
        assert_eq!(told, (seen + 1..=last.0).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_number_that_is_not_known_here_gives_one_resync() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let first = world.service.get(&ann(), &id).await.unwrap().seq;
    assert!(!is_resync(&world, &id, first).await);
    let other = world.second().get(&ann(), &id).await.unwrap().seq;
    assert!(is_resync(&world, &id, other).await, "of another server");
    assert!(is_resync(&world, &id, Seq { number: first.number + 1, ..first }).await, "not given out yet");
    assert!(is_resync(&world, &id, Seq { number: first.number - 1, ..first }).await, "before the notebook was opened");
    for n in 0..257 {
        world.service.edit(&ann(), &id, None, update(&cell, &format!("{n}"))).await.unwrap();
    }
    assert!(is_resync(&world, &id, first).await, "too many events ago");
    let second = Seq { number: first.number + 1, ..first };
    assert!(!is_resync(&world, &id, second).await);
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let mut numbers = Vec::new();
    for n in 0..10 {
        numbers.push(world.service.get(&ann(), &id).await.unwrap().seq);
        let code = format!("{n}{}", " ".repeat(200 * 1024));
        world.service.edit(&ann(), &id, None, update(&cell, &code)).await.unwrap();
    }
    assert!(is_resync(&world, &id, numbers[4]).await);
    assert!(!is_resync(&world, &id, numbers[5]).await);
    // A cell that is gone is held by nothing else.
    world.service.edit(&ann(), &id, None, insert("big", &" ".repeat(250 * 1024))).await.unwrap();
    let before = world.service.get(&ann(), &id).await.unwrap().seq;
    let big = quire_domain::CellId::new("big").unwrap();
    world.service.edit(&ann(), &id, None, Edit::DeleteCell { id: big }).await.unwrap();
    assert!(is_resync(&world, &id, numbers[7]).await);
    assert!(!is_resync(&world, &id, numbers[8]).await);
    assert!(!is_resync(&world, &id, before).await);
}

#[tokio::test]
async fn a_notebook_that_left_memory_gives_a_resync() {
    let world = World::with(Options { most_active: 1, ..options() });
    let (id, _) = world.notebook().await;
    let seq = world.service.get(&ann(), &id).await.unwrap().seq;
    while world.service.get(&ann(), &id).await.unwrap().seq == seq {
        let (other, _) = world.notebook().await;
        world.service.get(&ann(), &other).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(is_resync(&world, &id, seq).await);
}
