//! Repeated requests: each takes effect once, and gets its first outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use quire_domain::{CellType, Edit, NotebookId, Place, Revision, Timestamp, UserId};
use quire_service::{
    Clock, Created, Duplicated, Edited, Expected, IdempotentOutcome, NotebookService, RequestContext, RequestKey,
    ServiceError,
};
use quire_storage::{IdempotencyKey, IdempotencyRecord, RecordLookup, RequestDigest, StoreError};

use crate::support::{Fault, World, ann, bob, codes, full, insert, options, update};

fn key(number: u16) -> RequestKey {
    let mut name = [0; 32];
    name[..2].copy_from_slice(&number.to_be_bytes());
    RequestKey { key: IdempotencyKey(name), request: RequestDigest([1; 32]) }
}

fn with_key(number: u16) -> RequestContext {
    RequestContext { user: ann(), key: Some(key(number)) }
}

async fn edit_as(
    service: &NotebookService,
    user: &UserId,
    key: RequestKey,
    (id, expected, edit): (&NotebookId, Option<i64>, Edit),
) -> Result<IdempotentOutcome<Edited>, ServiceError> {
    let (by, id, expected) = (service.clone(), id.clone(), expected.map(Revision));
    let call = async move |context: RequestContext| by.edit(context, &id, expected, edit).await;
    service.idempotent(RequestContext { user: user.clone(), key: Some(key) }, call).await
}

async fn edit(
    service: &NotebookService,
    key: RequestKey,
    wanted: (&NotebookId, Option<i64>, Edit),
) -> Result<IdempotentOutcome<Edited>, ServiceError> {
    edit_as(service, &ann(), key, wanted).await
}

/// Returns the revision of an outcome, and `true` for a replay.
fn revision_and_replay(outcome: Result<IdempotentOutcome<Edited>, ServiceError>) -> (i64, bool) {
    let IdempotentOutcome { outcome, is_replay } = outcome.unwrap();
    (outcome.revision.0, is_replay)
}

#[tokio::test]
async fn fifty_twins_at_once_are_one_edit() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let twins = (0..50).map(|_| edit(&world.service, key(1), (&id, Some(0), insert("x", "x"))));
    let told: Vec<_> = join_all(twins).await.into_iter().map(revision_and_replay).collect();
    assert!(told.iter().all(|(revision, _)| *revision == 1), "{told:?}");
    assert_eq!(told.iter().filter(|(_, is_replay)| !is_replay).count(), 1);
    assert_eq!(codes(&world.store.load(&id).await.unwrap().unwrap().notebook), ["", "x"]);
}

/// Two services over one store, like two servers: the second one finds the record in its commit.
#[tokio::test]
async fn twins_at_two_servers_are_one_edit() {
    for expected in [None, Some(1)] {
        let world = World::new();
        let second = world.second();
        let (id, cell) = world.notebook().await;
        world.service.edit(&ann(), &id, None, update(&cell, "known to both")).await.unwrap();
        second.get(&ann(), &id).await.unwrap();
        world.close_gate();
        let twin = |service: &NotebookService| {
            let (service, id) = (service.clone(), id.clone());
            tokio::spawn(async move { edit(&service, key(1), (&id, expected, insert("x", "x"))).await })
        };
        let twins = [twin(&world.service), twin(&second)];
        world.commits_waiting(2).await;
        world.open_gate();
        let [one, other] = twins.map(async |twin| revision_and_replay(twin.await.unwrap()));
        let (one, other) = tokio::join!(one, other);
        assert_eq!((one.0, other.0), (2, 2), "expecting {expected:?}");
        assert!(one.1 != other.1, "one of the two is the first");
        assert_eq!(codes(&world.store.load(&id).await.unwrap().unwrap().notebook), ["known to both", "x"]);
    }
}

/// A later request with the same key at a server whose state is stale.
#[tokio::test]
async fn a_repetition_at_another_server_gets_the_outcome() {
    let world = World::new();
    let second = world.second();
    let (id, _) = world.notebook().await;
    second.get(&ann(), &id).await.unwrap();
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, Some(0), insert("x", "x"))).await), (1, false));
    assert_eq!(revision_and_replay(edit(&second, key(1), (&id, Some(0), insert("x", "x"))).await), (1, true));
}

/// The second server has the notebook in memory, in the state before the repeated edit. The store sends no hints about changes
/// of its own callers, so the second service does not learn of the edit in another way.
#[tokio::test]
async fn after_a_repetition_the_edit_is_seen_at_that_server_too() {
    let world = World::new();
    let second = world.second();
    let (id, _) = world.notebook().await;
    let mut watch = second.watch(&ann(), &id).await.unwrap();
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, None, insert("x", "x"))).await), (1, false));
    assert_eq!(revision_and_replay(edit(&second, key(1), (&id, None, insert("x", "x"))).await), (1, true));
    assert_eq!(codes(&second.get(&ann(), &id).await.unwrap().notebook), ["", "x"]);
    assert_eq!(codes(&watch.next().await.unwrap().notebook), ["", "x"]);
    let delete = |service: &NotebookService| {
        let (service, id) = (service.clone(), id.clone());
        async move {
            let by = service.clone();
            let call = async move |context: RequestContext| by.delete(context, &id).await;
            service.idempotent::<(), ServiceError, _>(with_key(2), call).await.unwrap().is_replay
        }
    };
    assert!(!delete(&world.service).await);
    assert!(delete(&second).await);
    assert!(matches!(second.get(&ann(), &id).await, Err(ServiceError::UnknownNotebook(_))));
}

/// The client disconnects while its commit is in flight. The repetition waits for the first request.
#[tokio::test]
async fn a_repetition_waits_for_the_first_whose_client_left() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    world.close_gate();
    let send = || {
        let (service, id) = (world.service.clone(), id.clone());
        tokio::spawn(async move { edit(&service, key(1), (&id, None, insert("x", "x"))).await })
    };
    let first = send();
    world.commits_waiting(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let again = send();
    world.open_gate();
    assert_eq!(revision_and_replay(again.await.unwrap()), (1, true));
    assert_eq!(codes(&world.store.load(&id).await.unwrap().unwrap().notebook), ["", "x"]);
}

/// A late repetition of an edit that changed nothing would overwrite later edits.
#[tokio::test]
async fn an_edit_that_changed_nothing_is_replayed_too() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let set = |cell_type| Edit::SetCellType { id: cell.clone(), cell_type };
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, None, set(CellType::Python))).await), (0, false));
    world.service.edit(&ann(), &id, None, set(CellType::Sql)).await.unwrap();
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, None, set(CellType::Python))).await), (0, true));
    let notebook = world.service.get(&ann(), &id).await.unwrap().notebook.clone();
    assert_eq!(notebook.cells.get(0).unwrap().cell_type, CellType::Sql);
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_user() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, None, insert("x", "x"))).await), (1, false));
    let other = RequestKey { request: RequestDigest([2; 32]), ..key(1) };
    let reused = edit(&world.service, other, (&id, None, insert("y", "y"))).await;
    assert!(matches!(reused, Err(ServiceError::KeyReused)));
    // Bob gets no outcome of Ann's requests.
    let foreign = edit_as(&world.service, &bob(), key(1), (&id, None, insert("z", "z"))).await;
    assert!(matches!(foreign, Err(ServiceError::Foreign(_))));
    let bobs = world.service.create(&bob()).await.unwrap();
    assert_eq!(
        revision_and_replay(edit_as(&world.service, &bob(), key(1), (&bobs, None, insert("z", "z"))).await),
        (1, false)
    );
    assert_eq!(codes(&world.service.get(&ann(), &id).await.unwrap().notebook), ["", "x"]);
}

#[tokio::test]
async fn refusals_are_not_kept() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.service.edit(&ann(), &id, None, update(&cell, "1")).await.unwrap();
    let conflict = edit(&world.service, key(1), (&id, Some(0), update(&cell, "2"))).await;
    assert!(matches!(conflict, Err(ServiceError::Conflict { .. })));
    world.fail_next(Fault::Refuse(full(&id)));
    let refused = edit(&world.service, key(1), (&id, Some(1), update(&cell, "2"))).await;
    assert!(matches!(refused, Err(ServiceError::Store(StoreError::Full { .. }))));
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, Some(1), update(&cell, "2"))).await), (2, false));
}

/// Another server has executed the edit, and the look-up of its record fails: the client gets no conflict.
#[tokio::test]
async fn a_refusal_that_may_be_of_its_own_making_is_not_told_as_one() {
    let world = World::new();
    let (second, (id, cell)) = (world.second(), world.notebook().await);
    world.faults.fail_record_lookup.store(true, Ordering::SeqCst);
    let before = edit(&world.service, key(1), (&id, Some(0), update(&cell, "1"))).await;
    assert!(matches!(before, Err(ServiceError::Store(StoreError::Unavailable { .. }))), "nothing was done");
    let (faults, other) = (Arc::clone(&world.faults), world.service.clone());
    let by = second.clone();
    let at_second = async move |context: RequestContext| {
        // The other server is faster, and does not know of this one.
        revision_and_replay(edit(&other, key(1), (&id, Some(0), update(&cell, "1"))).await);
        faults.fail_record_lookup.store(true, Ordering::SeqCst);
        by.edit(context, &id, Some(Revision(0)), update(&cell, "1")).await
    };
    let unknown: Result<IdempotentOutcome<Edited>, ServiceError> = second.idempotent(with_key(1), at_second).await;
    assert!(matches!(unknown, Err(ServiceError::Unfinished)), "{unknown:?}");
}

/// The outcome of the commit was unknown, and the record was stored with it.
#[tokio::test]
async fn an_edit_of_unknown_outcome_is_replayed_from_its_record() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    world.fail_next(Fault::LoseResponse);
    world.fail_next(Fault::LoseResponse);
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, Some(0), insert("x", "x"))).await), (1, true));
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, Some(0), insert("x", "x"))).await), (1, true));
    world.faults.lose_deletion.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let (id, by) = (id.clone(), world.service.clone());
        let call = async move |context: RequestContext| by.delete(context, &id).await;
        let deleted: IdempotentOutcome<()> = world.service.idempotent(with_key(2), call).await.unwrap();
        assert!(deleted.is_replay);
    }
}

/// Edits that were committed together, and edits that had to be committed singly.
#[tokio::test]
async fn edits_of_a_group_have_a_record_each() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    for (round, refuses_groups) in [(0_u16, false), (1, true)] {
        world.close_gate();
        world.faults.record_lookups.forget_permits(usize::MAX); // of the round before
        let send = |number: u16, edit_wanted: Edit| {
            let (service, id) = (world.service.clone(), id.clone());
            tokio::spawn(async move { edit(&service, key(round * 10 + number), (&id, None, edit_wanted)).await })
        };
        let wanted = |number: u16| match number {
            3 => Edit::SetCellType { id: cell.clone(), cell_type: CellType::Python }, // nothing to change
            _ => insert(&format!("c{round}{number}"), "x"),
        };
        let first = send(0, wanted(0));
        world.commits_waiting(1).await;
        let others: Vec<_> = (1..5).map(|number| send(number, wanted(number))).collect();
        world.record_lookups(5).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        if refuses_groups {
            world.fail_next(Fault::RefuseGroups);
        }
        world.open_gate();
        let mut revisions = vec![revision_and_replay(first.await.unwrap())];
        for other in others {
            revisions.push(revision_and_replay(other.await.unwrap()));
        }
        let commits = std::mem::take(&mut *world.faults.commits.lock().unwrap());
        assert_eq!(commits, if refuses_groups { vec![1, 1, 1, 1] } else { vec![1, 3] }, "round {round}");
        for (number, (revision, is_replay)) in revisions.into_iter().enumerate() {
            assert!(!is_replay, "round {round}, {number}");
            let number = u16::try_from(number).unwrap();
            let again =
                revision_and_replay(edit(&world.service, key(round * 10 + number), (&id, None, wanted(number))).await);
            assert_eq!(again, (revision, true), "round {round}, {number}");
        }
    }
    assert_eq!(world.service.get(&ann(), &id).await.unwrap().notebook.revision, Revision(8));
}

/// A group of edits of which none changes anything.
#[tokio::test]
async fn records_of_a_group_that_changes_nothing_are_stored_together() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    world.close_gate();
    let send = |number: u16, edit_wanted: Edit| {
        let (service, id) = (world.service.clone(), id.clone());
        tokio::spawn(async move { revision_and_replay(edit(&service, key(number), (&id, None, edit_wanted)).await) })
    };
    let mut tasks = vec![send(0, insert("x", "x"))];
    world.commits_waiting(1).await;
    let same = || Edit::SetCellType { id: cell.clone(), cell_type: CellType::Python };
    tasks.extend((1..5).map(|number| send(number, same())));
    // Each has looked up its record, and its next step is the queue.
    world.record_lookups(5).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.open_gate();
    for task in tasks {
        assert_eq!(task.await.unwrap(), (1, false));
    }
    assert_eq!(*world.faults.puts.lock().unwrap(), [4]);
}

/// Sends a request to one server, and again to another.
async fn twice<T, F>(
    world: &World,
    number: u16,
    call: impl Fn(NotebookService, RequestContext) -> F + Clone + Send + 'static,
) -> [T; 2]
where
    T: serde::de::DeserializeOwned + Send + 'static,
    F: Future<Output = Result<T, ServiceError>> + Send + 'static,
{
    let send = async |service: NotebookService| {
        let (by, call) = (service.clone(), call.clone());
        service.idempotent(with_key(number), move |context| call(by, context)).await.unwrap()
    };
    let (first, again) = (send(world.service.clone()).await, send(world.second()).await);
    assert!(!first.is_replay && again.is_replay);
    [first.outcome, again.outcome]
}

#[tokio::test]
async fn every_use_case_that_changes_something_is_replayed() {
    let world = World::new();
    let [id, again]: [NotebookId; 2] =
        twice(&world, 1, |service, context| async move { service.create(context).await }).await;
    assert_eq!(id, again);
    let to = id.clone();
    let insert = move |service: NotebookService, context: RequestContext| {
        let id = to.clone();
        async move { service.insert_cell(context, &id, None, (CellType::Sql, "1".into()), Place::End).await }
    };
    let [made, again]: [Created; 2] = twice(&world, 2, insert).await;
    assert_eq!((&made.cell, made.edited.revision), (&again.cell, again.edited.revision));
    let to = id.clone();
    let connect = move |service: NotebookService, context: RequestContext| {
        let id = to.clone();
        let entered = quire_domain::ConnectionString::new("postgres://db").unwrap();
        async move { service.set_connection(context, &id, Expected::Any, entered).await }
    };
    let [first, again]: [Edited; 2] = twice(&world, 3, connect).await;
    assert_eq!((first.revision, again.revision), (Revision(2), Revision(2)));
    let to = id.clone();
    let duplicate = move |service: NotebookService, context: RequestContext| {
        let id = to.clone();
        async move { service.duplicate(context, &id).await }
    };
    let [first, again]: [Duplicated; 2] = twice(&world, 4, duplicate).await;
    assert_eq!((&first.id, &first.name, first.has_connection), (&again.id, &again.name, again.has_connection));
    let delete = move |service: NotebookService, context: RequestContext| {
        let id = id.clone();
        async move { service.delete(context, &id).await }
    };
    let [(), ()] = twice(&world, 5, delete).await;
    let all = world.service.list(&ann(), &quire_storage::PageRequest::default()).await.unwrap().notebooks;
    assert_eq!(all.len(), 3, "the copy, and the two that every user has");
}

#[tokio::test]
async fn work_that_panics_leaves_its_key_free() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let panics = async |_: RequestContext| -> Result<Edited, ServiceError> { panic!("as a test wants it") };
    let unfinished: Result<IdempotentOutcome<Edited>, ServiceError> =
        world.service.idempotent(with_key(1), panics).await;
    assert!(matches!(unfinished, Err(ServiceError::Unfinished)));
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, None, insert("x", "x"))).await), (1, false));
}

#[derive(Debug)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp_micros(self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let clock = Arc::new(SetClock(AtomicI64::new(1_800_000_000_000_000)));
    let world = World::with(quire_service::Options { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..options() });
    let (id, cell) = world.notebook().await;
    let send = async || revision_and_replay(edit(&world.service, key(1), (&id, None, update(&cell, "mine"))).await);
    assert_eq!(send().await, (1, false));
    world.service.edit(&ann(), &id, None, update(&cell, "newer")).await.unwrap();
    clock.0.fetch_add(23 * 3_600_000_000, Ordering::SeqCst);
    assert_eq!(send().await, (1, true));
    clock.0.fetch_add(3_600_000_000, Ordering::SeqCst);
    assert_eq!(send().await, (3, false));
}

/// Expired records are deleted.
#[tokio::test]
async fn old_records_are_deleted_in_the_background() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    let RequestKey { key: name, request } = key(1);
    let at = Timestamp::default();
    let old = IdempotencyRecord { user: bob(), key: name, request, outcome: Arc::from("{}"), at };
    world.store.put_records(&[old]).await.unwrap();
    let is_kept =
        async || world.store.record(RecordLookup { user: &bob(), key: name, now: at }).await.unwrap().is_some();
    assert!(is_kept().await);
    edit(&world.service, key(2), (&id, None, insert("x", "x"))).await.unwrap();
    let forgotten = async {
        while is_kept().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), forgotten).await.expect("it is forgotten at last");
}

/// A read-only server replays the outcomes of earlier requests.
#[tokio::test]
async fn a_read_only_server_replays() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    assert_eq!(revision_and_replay(edit(&world.service, key(1), (&id, None, insert("x", "x"))).await), (1, false));
    let reader = world.another(quire_service::Options { read_only: true, ..options() });
    assert_eq!(revision_and_replay(edit(&reader, key(1), (&id, None, insert("x", "x"))).await), (1, true));
    let refused = edit(&reader, key(2), (&id, None, insert("y", "y"))).await;
    assert!(matches!(refused, Err(ServiceError::ReadOnly)));
}
