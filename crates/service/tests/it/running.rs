//! Updates of a run, and its results.

use futures_util::FutureExt as _;
use quire_domain::{Cell, CellId, CellStatus, CellType, Edit, Json, NotebookId, Output, Results, Revision};
use quire_service::{EventKind, NotebookService, RunUpdate, RunUpdateKind, Seq, ServiceError, Subscription};
use quire_storage::prelude::*;

use crate::support::{World, ann, bob, insert, update};

fn stdout(cell: &CellId, text: &str) -> RunUpdate {
    RunUpdate { cell: cell.clone(), kind: RunUpdateKind::Stdout(text.to_owned()) }
}

async fn tell(world: &World, id: &NotebookId, update: RunUpdate) -> Seq {
    world.service.tell(&ann(), id, update).await.unwrap()
}

/// Returns the pending events of a watcher, abbreviated.
fn told(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(event) = subscription.next().now_or_never() {
        all.push(match &event.unwrap().kind {
            EventKind::Transient(update) => match &update.kind {
                RunUpdateKind::Status(status) => status.as_str().to_owned(),
                RunUpdateKind::Stdout(text) => text.clone(),
                RunUpdateKind::Output(_) => "output".to_owned(),
                RunUpdateKind::Error(text) => panic!("{text}"),
            },
            EventKind::Changed(change) => format!("revision {}", change.revision.after),
            EventKind::Resync => "resync".to_owned(),
            EventKind::Recovered(copy) => format!("recovered {copy}"),
            EventKind::Deleted => "deleted".to_owned(),
        });
    }
    all
}

fn printed(text: &str) -> Results {
    Results { status: CellStatus::Success, stdout: text.to_owned(), ..Results::default() }
}

#[tokio::test]
async fn what_a_run_tells_reaches_watchers_in_order_and_is_not_stored() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let mut watcher = world.service.watch(&ann(), &id).await.unwrap();
    let before = world.service.get(&ann(), &id).await.unwrap();
    let running = RunUpdate { cell: cell.clone(), kind: RunUpdateKind::Status(CellStatus::Running) };
    let first = tell(&world, &id, running).await;
    world.service.edit(&ann(), &id, None, update(&cell, "x")).await.unwrap();
    let second = tell(&world, &id, stdout(&cell, "1")).await;
    assert!(first.epoch == before.seq.epoch && before.seq.number < first.number && first.number < second.number);
    assert_eq!(told(&mut watcher), ["running", "revision 1", "1"]);
    let after = world.service.get(&ann(), &id).await.unwrap();
    let shown = &after.notebook.cells.get(0).unwrap().results;
    assert_eq!((shown.status, &*shown.stdout), (CellStatus::Running, "1"), "readers are shown it");
    assert_eq!(*after.stored.cells.get(0).unwrap().results, Results::default());
    assert_eq!(world.faults.commits.lock().unwrap().len(), 1, "only the edit was committed");
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_a_run_told_meanwhile() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let read = world.service.get(&ann(), &id).await.unwrap().seq;
    let first = tell(&world, &id, stdout(&cell, "1")).await;
    tell(&world, &id, stdout(&cell, "2")).await;
    let resume = async |seq| told(&mut world.service.resume(&ann(), &id, seq).await.unwrap());
    assert_eq!(resume(read).await, ["1", "2"], "after the state that was read");
    assert_eq!(resume(first).await, ["2"], "after an event that is not stored");
    // A new watcher gets the events from now on.
    let mut new = world.service.watch(&ann(), &id).await.unwrap();
    assert_eq!(told(&mut new), Vec::<String>::new());
    tell(&world, &id, stdout(&cell, "3")).await;
    assert_eq!(told(&mut new), ["3"]);
}

/// More than is kept: a watcher that is behind misses what was printed, and never an edit, nor has it to read again.
#[tokio::test]
async fn what_a_run_tells_pushes_no_edit_out() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let mut slow = world.service.watch(&ann(), &id).await.unwrap();
    tell(&world, &id, stdout(&cell, "first")).await;
    world.service.edit(&ann(), &id, None, update(&cell, "x")).await.unwrap();
    for n in 0..1_000 {
        tell(&world, &id, stdout(&cell, &n.to_string())).await;
    }
    let all = told(&mut slow);
    assert_eq!((all.len(), &*all[0], &*all[255]), (256, "revision 1", "999"));
    // In bytes too.
    for _ in 0..10 {
        tell(&world, &id, stdout(&cell, &"x".repeat(900_000))).await;
    }
    world.service.edit(&ann(), &id, None, update(&cell, "y")).await.unwrap();
    let all = told(&mut slow);
    assert_eq!((all.len(), &*all[4]), (5, "revision 2"));
    // Not even by one update that is larger than what is kept.
    world.service.edit(&ann(), &id, None, update(&cell, "z")).await.unwrap();
    let data = Json::parse(&format!("\"{}\"", "x".repeat(6_000_000))).unwrap();
    let output = Output { mime_type: "text/plain".to_owned(), data, metadata: Json::parse("{}").unwrap() };
    tell(&world, &id, RunUpdate { cell, kind: RunUpdateKind::Output(output) }).await;
    assert_eq!(told(&mut slow)[0], "revision 3");
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let unknown = CellId::new("unknown").unwrap();
    let refused = world.service.tell(&ann(), &id, stdout(&unknown, "1")).await;
    assert!(matches!(refused, Err(ServiceError::UnknownCell(_))), "{refused:?}");
    let refused = world.service.tell(&bob(), &id, stdout(&cell, "1")).await;
    assert!(matches!(refused, Err(ServiceError::Foreign(_))), "{refused:?}");
    let json = |text: &str| Json::parse(text).unwrap();
    let data = json(&format!("\"{}\"", "x".repeat(8_000_000)));
    let output = Output { mime_type: "text/plain".to_owned(), data, metadata: json("{}") };
    let large = [RunUpdateKind::Stdout("x".repeat(1_000_001)), RunUpdateKind::Output(output)];
    for kind in large {
        let refused = world.service.tell(&ann(), &id, RunUpdate { cell: cell.clone(), kind }).await;
        assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn results_are_stored_only_with_the_code_that_ran() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let digest = |code: &str| Cell::digest_of(CellType::Python, code);
    world.service.edit(&ann(), &id, None, update(&cell, "ran")).await.unwrap();
    let mut watcher = world.service.watch(&ann(), &id).await.unwrap();
    let commit = async |ran: &str, text: &str| {
        world.service.commit_results(&ann(), &id, (&cell, &digest(ran)), printed(text)).await.unwrap()
    };
    assert!(commit("ran", "kept").await);
    world.service.edit(&ann(), &id, None, update(&cell, "edited meanwhile")).await.unwrap();
    assert!(!commit("ran", "too late").await);
    assert_eq!(
        told(&mut watcher),
        ["revision 1", "revision 2"],
        "results take no revision, and what is dropped is not told"
    );
    let results = world.service.get(&ann(), &id).await.unwrap().notebook.cells.get(0).unwrap().results.clone();
    assert_eq!((&*results.stdout, results.code_digest.clone()), ("kept", Some(digest("ran"))));
    // Undoing the edit makes them fit again.
    world.service.edit(&ann(), &id, None, update(&cell, "ran")).await.unwrap();
    assert!(commit("ran", "again").await);
    world.service.edit(&ann(), &id, None, Edit::DeleteCell { id: cell.clone() }).await.unwrap();
    assert!(!commit("ran", "gone").await);
}

/// The code was changed at another server, which this one does not know before its commit.
#[tokio::test]
async fn results_are_dropped_when_the_code_was_changed_at_another_server() {
    let world = World::new();
    let (second, (id, cell)) = (world.second(), world.notebook().await);
    let digest = Cell::digest_of(CellType::Python, "");
    world.service.get(&ann(), &id).await.unwrap();
    second.edit(&ann(), &id, None, update(&cell, "elsewhere")).await.unwrap();
    let stored = world.service.commit_results(&ann(), &id, (&cell, &digest), printed("old")).await.unwrap();
    assert!(!stored);
    let notebook = world.service.get(&ann(), &id).await.unwrap().notebook.clone();
    assert_eq!((notebook.revision, &*notebook.cells.get(0).unwrap().results.stdout), (Revision(1), ""));
}

/// As a server leaves it that is stopped in the middle of a run.
#[tokio::test]
async fn a_run_that_nobody_goes_on_with_is_shown_as_idle_and_stale() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "print(1)")).await.unwrap();
    let shown = async |service: &NotebookService| {
        service.get(&ann(), &id).await.unwrap().notebook.cells.get(0).unwrap().clone()
    };
    let before = shown(&world.service).await;
    let running = Results { status: CellStatus::Running, run_digest: Some(before.run_digest), ..printed("half") };
    let code = before.code_digest();
    assert!(world.service.commit_results(&ann(), &id, (&cell, &code), running.clone()).await.unwrap());
    let goes_on = shown(&world.service).await;
    assert_eq!((goes_on.results.status, goes_on.is_stale()), (CellStatus::Running, false));
    let stored = world.files.load(&id).await.unwrap().unwrap().notebook.cells.get(0).unwrap().results.clone();
    assert_eq!((stored.status, stored.run_digest), (CellStatus::Running, running.run_digest));

    let next = world.second();
    let interrupted = shown(&next).await;
    assert_eq!((interrupted.results.status, &*interrupted.results.stdout), (CellStatus::Idle, "half"));
    assert!(interrupted.is_stale());
    // Nor does the notebook that is read again, because it was edited elsewhere, make it run.
    world.service.edit(&ann(), &id, None, insert("other", "")).await.unwrap();
    let mut watcher = next.watch(&ann(), &id).await.unwrap();
    next.edit(&ann(), &id, None, insert("third", "")).await.unwrap();
    assert_eq!(told(&mut watcher), ["revision 2", "revision 3"]);
    assert_eq!(shown(&next).await.results, interrupted.results);
}
