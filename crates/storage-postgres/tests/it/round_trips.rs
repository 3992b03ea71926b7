//! Round trips of each call, counted by a proxy: one, unless something fails.

use quire_domain::{Edit, Place, Revision};
use quire_service::{NotebookService, RequestContext, RequestKey, ServiceError};
use quire_storage::prelude::*;
use quire_storage::{Delete, ListFilter, PageRequest, StoreError};
use quire_test_postgres::{Counts, Database, Proxy, Server};

use crate::support::{
    Editor, ann, cell_id, delete, has_record, idempotency_record, insert, load, notebook, notebook_id, open_with,
    printed, until, update, with_connections,
};

/// Counts of the traffic during a call. Its pings are counted apart: they come after it, in the background.
async fn counted<T>(proxy: &Proxy, call: impl Future<Output = T>) -> (T, Counts) {
    proxy.reset();
    let answer = call.await;
    (answer, proxy.counts())
}

#[track_caller]
fn assert_executed(what: &str, counts: Counts, times: usize) {
    let expected = Counts { executions: times, pings: counts.pings, ..Counts::default() };
    assert_eq!(counts, expected, "{what}");
}

/// A new connection is asked in one round trip whether a pooler is before it and whether the server is in recovery.
#[tokio::test]
async fn a_new_connection_takes_one_round_trip_before_its_first_statement() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let store = open_with(&database.url_at(proxy.port()), with_connections(1));
    let (found, counts) = counted(&proxy, store.owner(&notebook_id("missing"))).await;
    assert_eq!(found.unwrap(), None);
    let expected = Counts { simple: 1, preparations: 1, executions: 1, pings: counts.pings };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn each_call_is_one_round_trip() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let store = open_with(&database.url_at(proxy.port()), with_connections(1));
    let store = &*store;
    let cells = [("a", "x = 1"), ("b", "y = 2"), ("c", "")];
    let mut editor = Editor::create(store, notebook("edited", &cells)).await;

    // Each twice: the first call prepares its statement on the only connection.
    for round in 0..2 {
        let check = |what: &str, counts| {
            if round > 0 {
                assert_executed(what, counts, 1);
            }
        };
        let new = format!("new{round}");
        let groups: [(&str, Vec<Edit>); 7] = [
            ("an edit of code", vec![update("a", &format!("x = {round}"))]),
            (
                "a move",
                vec![Edit::MoveCell { id: cell_id("a"), place: if round == 0 { Place::End } else { Place::Start } }],
            ),
            ("an insertion", vec![insert(&new, "z = 3", Place::End)]),
            ("results", vec![printed("a", &format!("{round}"), 2)]),
            ("a name", vec![Edit::Rename { name: format!("round {round}") }]),
            ("a deletion of a cell", vec![delete(&new)]),
            (
                "a group of edits and results",
                vec![
                    update("a", "x = 7"),
                    printed("b", &format!("group {round}"), 3),
                    insert(&format!("grouped{round}"), "", Place::Start),
                    delete(if round == 0 { "c" } else { "grouped0" }),
                    Edit::Rename { name: format!("group {round}") },
                    update("b", &format!("y = {round}")),
                ],
            ),
        ];
        for (what, edits) in &groups {
            let (answer, counts) = counted(&proxy, editor.commit(store, edits)).await;
            answer.unwrap();
            check(what, counts);
        }
        let (loaded, counts) = counted(&proxy, store.load(&notebook_id("edited"))).await;
        let loaded = loaded.unwrap().unwrap().notebook;
        assert_eq!(loaded.cells.find(&cell_id("b")).unwrap().results.outputs.len(), 3);
        check("a load of cells with outputs", counts);

        let mut whole = notebook("whole", &cells);
        let (answer, counts) = counted(&proxy, store.create(&whole, None)).await;
        answer.unwrap();
        check("a creation", counts);
        let made = whole.base();
        whole.revision = Revision(5);
        let (answer, counts) = counted(&proxy, store.replace(made, &whole)).await;
        answer.unwrap();
        check("a replacement", counts);
        let (page, counts) = counted(&proxy, store.list(&ListFilter::of(ann()), &PageRequest::default())).await;
        assert_eq!(page.unwrap().notebooks.len(), 2);
        check("a list", counts);
        let delete = Delete { id: &whole.id, base: whole.base(), record: None };
        let (answer, counts) = counted(&proxy, store.delete(delete)).await;
        answer.unwrap();
        check("a deletion", counts);
    }
}

/// An answer comes with its change; only the look for an earlier one is a round trip more.
#[tokio::test]
async fn an_answer_costs_one_round_trip() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let store = open_with(&database.url_at(proxy.port()), with_connections(1));
    let service = NotebookService::new(store.clone(), quire_service::Options::default()).unwrap();
    let id = notebook_id("edited");
    let _ = Editor::create(&*store, notebook("edited", &[("a", "")])).await;
    for number in 0..4 {
        let kept = idempotency_record(number);
        let key = (number > 0).then_some(RequestKey { key: kept.key, request: kept.request });
        let (by, id, edit) = (service.clone(), id.clone(), update("a", &format!("x = {number}")));
        let call = async move |context: RequestContext| by.edit(context, &id, None, edit).await;
        let context = RequestContext { user: ann(), key };
        let (answered, counts) = counted(&proxy, service.idempotent::<_, ServiceError, _>(context, call)).await;
        assert!(!answered.unwrap().is_replay);
        // The first prepare their statements, and when the first answer is kept, old ones are forgotten in the background.
        if number == 1 {
            until("old answers are forgotten", async || proxy.counts().executions == 3).await;
        } else if number > 1 {
            assert_executed("an edit with a key", counts, 2);
        }
    }
    let mut editor = Editor::load(&*store, &id).await;
    for round in 0..2 {
        let edits =
            [update("a", "y"), Edit::Rename { name: format!("{round}") }, insert(&format!("{round}"), "", Place::End)];
        let mut group = editor.apply(&edits);
        group.records = vec![idempotency_record(100 + 2 * round), idempotency_record(101 + 2 * round)];
        let (committed, counts) = counted(&proxy, group.commit(&*store)).await;
        committed.unwrap();
        let whole = notebook(&format!("whole {round}"), &[]);
        let (made, of_creation) = counted(&proxy, store.create(&whole, Some(&idempotency_record(200 + round)))).await;
        made.unwrap();
        let record = idempotency_record(300 + round);
        let delete = Delete { id: &whole.id, base: whole.base(), record: Some(&record) };
        let (gone, of_deletion) = counted(&proxy, store.delete(delete)).await;
        gone.unwrap();
        if round > 0 {
            assert_executed("a group with answers", counts, 1);
            assert_executed("a creation with a record", of_creation, 1);
            assert_executed("a deletion with a record", of_deletion, 1);
        }
        for number in [100 + 2 * round, 101 + 2 * round, 200 + round, 300 + round] {
            assert!(has_record(&*store, number).await, "{number}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_two_round_trips() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let store = open_with(&database.url_at(proxy.port()), with_connections(1));
    let store = &*store;
    let mut editor = Editor::create(store, notebook("edited", &[("a", "")])).await;
    let mut late = Editor::load(store, &notebook_id("edited")).await;
    editor.commit(store, &[update("a", "first")]).await.unwrap();
    for is_prepared in [false, true] {
        let (answer, counts) = counted(&proxy, late.commit(store, &[update("a", "late")])).await;
        assert!(matches!(answer, Err(StoreError::RevisionMismatch { .. })), "{answer:?}");
        // The refusal, and the look at what there is instead.
        if is_prepared {
            assert_executed("a refused edit", counts, 2);
        }
    }
    let (answer, counts) = counted(&proxy, store.create(editor.notebook(), None)).await;
    assert!(matches!(answer, Err(StoreError::AlreadyExists { .. })), "{answer:?}");
    assert_executed("a refused creation", counts, 2);
    assert_eq!(&*load(store, &notebook_id("edited")).await.cells.get(0).unwrap().code, "first");
}
