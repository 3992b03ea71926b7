//! Two servers on one database, and many writers on one notebook.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use quire_domain::{Base, CellStatus, Life, NotebookId, Results, Revision};
use quire_service::{Edited, Expected, NotebookService, Options, RequestContext, RequestKey, ServiceError};
use quire_storage::prelude::*;
use quire_storage_postgres::PostgresNotebookStore;
use quire_test_postgres::Database;
use quire_tests::history::{Kind, Operation, check};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{PATIENCE, ann, idempotency_record, load, notebook, notebook_id, open_with, until, update};

const WRITERS: usize = 64;
const EDITS: usize = 5;
const CELLS: [(&str, &str); 4] = [("a", ""), ("b", ""), ("c", ""), ("d", "")];

/// What all callers share.
#[derive(Default)]
struct Record {
    /// Ticks at each beginning and end.
    clock: AtomicU64,
    history: Mutex<Vec<Operation>>,
    contended: AtomicU64,
    conflicts: AtomicU64,
    /// Conflicts that named a revision older than the one expected: the server had not yet seen others' edits.
    behind: AtomicU64,
}

impl Record {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn note(&self, begun: u64, revision: Revision, kind: Kind) {
        let ended = self.tick();
        self.history.lock().unwrap().push(Operation { begun, ended, life: String::new(), revision: revision.0, kind });
    }
}

fn contents(notebook: &quire_domain::Notebook) -> BTreeMap<String, String> {
    notebook.cells.iter().map(|cell| (cell.id.to_string(), cell.code.to_string())).collect()
}

/// Opens a store that waits for a busy machine to connect.
fn open(database: &Database) -> Arc<PostgresNotebookStore> {
    let options =
        quire_storage_postgres::Options { connect_timeout: PATIENCE, ..quire_storage_postgres::Options::default() };
    open_with(database.url(), options)
}

/// Makes its edits, each until it is accepted. Whoever expects a revision reads it before.
async fn write(record: Arc<Record>, service: NotebookService, id: NotebookId, writer: usize, expects: bool) {
    for edit in 0..EDITS {
        let (cell, value) = (CELLS[(writer + edit) % CELLS.len()].0, format!("writer {writer}, edit {edit}"));
        let mut expected = None;
        loop {
            if expects && expected.is_none() {
                expected = Some(service.get(&ann(), &id).await.unwrap().notebook.revision);
            }
            let begun = record.tick();
            match service.edit(&ann(), &id, expected, update(cell, &value)).await {
                Ok(edited) => {
                    let kind = Kind::Write { cell: cell.to_owned(), value };
                    record.note(begun, edited.revision, kind);
                    if let Some(expected) = expected {
                        assert_eq!(Some(edited.revision), expected.next(), "an edit came between");
                    }
                    break;
                }
                Err(ServiceError::Conflict { expected: wanted, current, .. }) => {
                    assert_ne!(wanted.revision, current);
                    record.conflicts.fetch_add(1, Ordering::SeqCst);
                    if current < wanted.revision {
                        record.behind.fetch_add(1, Ordering::SeqCst);
                    }
                    expected = Some(current);
                }
                Err(ServiceError::Contended(_)) => drop(record.contended.fetch_add(1, Ordering::SeqCst)),
                Err(error) => panic!("writer {writer}: {error:?}"),
            }
        }
    }
}

/// Reads at one server again and again until the writers are done.
async fn read(record: Arc<Record>, service: NotebookService, id: NotebookId) {
    loop {
        let begun = record.tick();
        let notebook = service.get(&ann(), &id).await.unwrap().notebook.clone();
        record.note(begun, notebook.revision, Kind::Read { cells: contents(&notebook) });
        if notebook.revision.0 >= i64::try_from(WRITERS * EDITS).unwrap() {
            return;
        }
    }
}

/// Fifty of one request at once, over both servers: one edit, and fifty times its answer. Some expect a revision, as most
/// clients do; then those that come too late find a conflict before they find the answer.
async fn twins(expected: Option<i64>) {
    let database = Database::fresh().await;
    let stores = [open(&database), open(&database)];
    let services = stores.clone().map(|store| NotebookService::new(store, Options::default()).unwrap());
    let id = notebook_id("shared");
    stores[0].create(&notebook("shared", &CELLS), None).await.unwrap();
    for round in 0..10 {
        let kept = idempotency_record(round);
        let key = RequestKey { key: kept.key, request: kept.request };
        let base = i64::try_from(round).unwrap();
        let mut callers = JoinSet::new();
        for twin in 0..50 {
            let (service, id) = (services[twin % 2].clone(), id.clone());
            let expected = expected.map(|expected| Revision(expected + base));
            callers.spawn(async move {
                let by = service.clone();
                let call =
                    async move |context: RequestContext| by.edit(context, &id, expected, update("a", "twins")).await;
                let context = RequestContext { user: ann(), key: Some(key) };
                let answered = service.idempotent::<Edited, ServiceError, _>(context, call).await.unwrap();
                (answered.outcome.revision, answered.is_replay)
            });
        }
        let told = callers.join_all().await;
        assert!(told.iter().all(|(revision, _)| revision.0 == base + 1), "round {round}: {told:?}");
        assert_eq!(told.iter().filter(|(_, is_replay)| !is_replay).count(), 1, "round {round}: {told:?}");
        assert_eq!(load(&*stores[0], &id).await.revision.0, base + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_twins_who_expect_nothing_are_one_edit() {
    twins(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_twins_who_expect_a_revision_are_one_edit() {
    twins(Some(0)).await;
}

/// A request that was answered at one server comes again at another, which has the notebook in memory as it was before.
#[tokio::test]
async fn a_repetition_at_another_server_shows_the_edit_there() {
    let database = Database::fresh().await;
    let stores = [open(&database), open(&database)];
    let [first, second] = stores.clone().map(|store| NotebookService::new(store, Options::default()).unwrap());
    let (id, kept) = (notebook_id("shared"), idempotency_record(1));
    stores[0].create(&notebook("shared", &CELLS), None).await.unwrap();
    let mut watch = second.watch(&ann(), &id).await.unwrap();
    for (service, is_repetition) in [(&first, false), (&second, true)] {
        let (key, id) = (RequestKey { key: kept.key, request: kept.request }, id.clone());
        let by = service.clone();
        let call = async move |context: RequestContext| by.edit(context, &id, None, update("a", "edited")).await;
        let context = RequestContext { user: ann(), key: Some(key) };
        let answered = service.idempotent::<Edited, ServiceError, _>(context, call).await.unwrap();
        assert_eq!((answered.outcome.revision, answered.is_replay), (Revision(1), is_repetition));
    }
    assert_eq!(contents(&second.get(&ann(), &id).await.unwrap().notebook)["a"], "edited");
    assert_eq!(contents(&watch.next().await.unwrap().notebook)["a"], "edited");
}

async fn run(expects: impl Fn(usize) -> bool) {
    let database = Database::fresh().await;
    let stores = [open(&database), open(&database)];
    let services = stores.clone().map(|store| NotebookService::new(store, Options::default()).unwrap());
    let id = notebook_id("shared");
    stores[0].create(&notebook("shared", &CELLS), None).await.unwrap();
    let record = Arc::new(Record::default());
    let mut callers = JoinSet::new();
    for writer in 0..WRITERS {
        let service = services[writer % 2].clone();
        callers.spawn(write(Arc::clone(&record), service, id.clone(), writer, expects(writer)));
    }
    for service in &services {
        callers.spawn(read(Arc::clone(&record), service.clone(), id.clone()));
    }
    until("all writers and readers are done", async || {
        while let Some(ended) = callers.try_join_next() {
            ended.unwrap();
        }
        callers.is_empty()
    })
    .await;

    let history = record.history.lock().unwrap().clone();
    let writes = history.iter().filter(|operation| matches!(operation.kind, Kind::Write { .. })).count();
    assert_eq!(writes, WRITERS * EDITS);
    let last = load(&*stores[0], &id).await;
    assert_eq!(last.revision.0, i64::try_from(writes).unwrap(), "revisions given out and edits accepted");
    let start = CELLS.iter().map(|(cell, code)| ((*cell).to_owned(), (*code).to_owned())).collect();
    check(&start, &history).unwrap_or_else(|error| panic!("{error}"));
    println!(
        "{writes} edits, {} reads; contended {:?}, conflicts {:?}, of which from a server behind {:?}",
        history.len() - writes,
        record.contended,
        record.conflicts,
        record.behind,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_who_expect_nothing_lose_nothing() {
    run(|_| false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_who_expect_a_revision_get_that_one_or_a_conflict() {
    run(|_| true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_both_kinds_share_a_notebook() {
    run(|writer| writer % 4 < 2).await;
}

/// A notebook that one server deletes and makes again is another one to the other server too, which still has the first
/// in memory; whoever knows only the first does not reach the second.
#[tokio::test]
async fn a_notebook_made_again_elsewhere_is_another_one() {
    let database = Database::fresh().await;
    let stores = [open(&database), open(&database)];
    let services = stores.map(|store| NotebookService::new(store, Options::default()).unwrap());
    let id = notebook_id("again");
    let store = open(&database);
    store.create(&notebook("again", &[("a", "first")]), None).await.unwrap();
    let first = services[0].get(&ann(), &id).await.unwrap().notebook.base();
    services[1].delete(&ann(), &id).await.unwrap();
    let mut second = notebook("again", &[("a", "second")]);
    second.life = Life::new(Uuid::new_v4());
    store.create(&second, None).await.unwrap();

    let known = |base: Base| Expected::Exactly(base.into());
    for service in &services {
        let refused = service.edit(&ann(), &id, known(first), update("a", "stale")).await;
        assert!(matches!(refused, Err(ServiceError::Conflict { .. })), "{refused:?}");
        let refused = service.delete_expecting(&ann(), &id, known(first)).await;
        assert!(matches!(refused, Err(ServiceError::Conflict { .. })), "{refused:?}");
    }
    services[0].edit(&ann(), &id, known(second.base()), update("a", "third")).await.unwrap();
    assert_eq!(&*load(&*store, &id).await.cells.get(0).unwrap().code, "third");
    for service in services {
        service.close().await;
    }
}

/// As a server leaves it that is stopped in the middle of a run; the same for files is among the service's own tests.
#[tokio::test]
async fn a_run_that_nobody_goes_on_with_is_shown_as_idle_and_stale() {
    let database = Database::fresh().await;
    let store = open(&database);
    let service = || NotebookService::new(store.clone(), Options::default()).unwrap();
    let id = notebook_id("interrupted");
    store.create(&notebook("interrupted", &[("a", "print(1)")]), None).await.unwrap();
    let shown = async |service: &NotebookService| {
        service.get(&ann(), &id).await.unwrap().notebook.cells.get(0).unwrap().clone()
    };
    let first = service();
    let cell = shown(&first).await;
    let running = Results {
        status: CellStatus::Running,
        stdout: "half".to_owned(),
        run_digest: Some(cell.run_digest),
        ..Results::default()
    };
    assert!(first.commit_results(&ann(), &id, (&cell.id, &cell.code_digest()), running).await.unwrap());
    let goes_on = shown(&first).await;
    assert_eq!((goes_on.results.status, goes_on.is_stale()), (CellStatus::Running, false));

    let next = service();
    let interrupted = shown(&next).await;
    assert_eq!((interrupted.results.status, &*interrupted.results.stdout), (CellStatus::Idle, "half"));
    assert!(interrupted.is_stale());
    first.edit(&ann(), &id, None, update("a", "print(2)")).await.unwrap();
    let read_again = shown(&next).await;
    assert_eq!((&*read_again.code, &read_again.results), ("print(2)", &interrupted.results));
}
