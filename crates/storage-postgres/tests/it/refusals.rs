//! Rights of the server's role, first requests, order keys, and damaged rows.

use std::sync::Arc;

use quire_domain::{Notebook, NotebookId, Place, Revision, UserId};
use quire_storage::prelude::*;
use quire_storage::{DatabaseState, Delete, ListFilter, NotebookStore, PageRequest, StoreError};
use quire_storage_postgres::Options;
use quire_test_postgres::Database;
use sqlx::AssertSqlSafe;

use crate::support::{
    Editor, ann, cell_id, delete, insert, kept, load, notebook, notebook_id, open, open_with, printed, time, update,
};

async fn execute(database: &Database, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database.connect().await).await.unwrap();
}

/// The server's role has rights on data only.
#[tokio::test]
async fn data_rights_are_enough() {
    let database = Database::fresh().await;
    let role = format!("{}_server", database.name());
    execute(
        &database,
        format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'data';
             REVOKE ALL ON SCHEMA public FROM PUBLIC;
             GRANT USAGE ON SCHEMA public TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};"
        ),
    )
    .await;
    let options = database.options();
    let url = format!("postgres://{role}:data@{}:{}/{}", options.get_host(), options.get_port(), database.name());
    let store = open_with(&url, Options::default());

    let health = store.health().await;
    assert_eq!((health.reads, health.writes, health.database), (true, true, DatabaseState::Connected));
    let mut editor = Editor::create(&*store, notebook("served", &[("a", ""), ("b", "")])).await;
    let group = [update("a", "x = 1"), insert("c", "", Place::End), delete("b"), printed("a", "1", 2)];
    editor.commit(&*store, &group).await.unwrap();
    editor.commit(&*store, &[update("a", "x = 2")]).await.unwrap();
    assert_eq!(kept(&load(&*store, &notebook_id("served")).await), kept(editor.notebook()));
    let mut next = notebook("served", &[("z", "")]);
    next.revision = Revision(9);
    store.replace(editor.notebook().base(), &next).await.unwrap();
    assert_eq!(store.digests(&[notebook_id("served")]).await.unwrap().len(), 1);
    let page = store.list(&ListFilter::of(ann()), &PageRequest::default()).await.unwrap();
    assert_eq!(page.notebooks.len(), 1);
    store.delete_current(&notebook_id("served"), None).await.unwrap();

    store.close().await;
    execute(&database, format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// An edit on the base before a replacement must be refused, because it would be applied to cells that it was not made for.
#[tokio::test]
async fn a_replacement_must_be_a_later_revision() {
    let database = Database::fresh().await;
    let store = open(&database);
    let mut there = notebook("there", &[("a", "kept")]);
    there.revision = Revision(7);
    store.create(&there, None).await.unwrap();
    for revision in [0, 6, 7] {
        let mut other = notebook("there", &[("z", "not wanted")]);
        other.revision = Revision(revision);
        let refused = store.replace(there.base(), &other).await;
        assert!(matches!(refused, Err(StoreError::RevisionMismatch { .. })), "{revision}: {refused:?}");
        assert_eq!(kept(&load(&*store, &there.id).await), kept(&there));
    }
}

/// Eight first requests of one new user at once, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_requests_at_once_make_one_user() {
    const ROUNDS: usize = 40;
    let database = Database::fresh().await;
    let stores = [open(&database), open(&database)];
    for round in 0..ROUNDS {
        let calls = (0..8).map(|number| {
            let store = Arc::clone(&stores[number % 2]);
            tokio::spawn(async move {
                let owner = UserId::new(format!("user {round}")).unwrap();
                let id = notebook_id(&format!("{round}-{number}"));
                store.create(&Notebook::new(id, quire_domain::Life::UNRECORDED, owner, time(0)), None).await
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
    }
    let counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM notebooks)";
    let counts: (i64, i64) = sqlx::query_as(counts).fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!(counts, (i64::try_from(ROUNDS).unwrap(), i64::try_from(ROUNDS * 8).unwrap()));
}

/// A cell behind the first one, ten thousand times, which is as many cells as a notebook may have.
#[tokio::test]
async fn ten_thousand_insertions_at_one_place_keep_keys_short() {
    const GROUPS: usize = 40;
    const GROUP: usize = 250;
    let database = Database::fresh().await;
    let store = open(&database);
    let mut editor = Editor::create(&*store, notebook("long", &[])).await;
    for group in 0..GROUPS {
        let place = |number: usize| if number == 0 { Place::Start } else { Place::After(cell_id("0")) };
        let edits = (0..GROUP).map(|index| {
            let number = group * GROUP + index;
            insert(&number.to_string(), "", place(number))
        });
        editor.commit(&*store, &edits.collect::<Vec<_>>()).await.unwrap();
    }
    let sql = "SELECT count(*), max(octet_length(order_key)) FROM cells";
    let (cells, longest): (i64, i32) = sqlx::query_as(sql).fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!(cells, 10_000);
    assert!(longest <= 12, "the longest order key has {longest} bytes");
    let stored = load(&*store, &notebook_id("long")).await;
    assert_eq!(stored.revision, Revision(10_000));
    let ids = |notebook: &Notebook| notebook.cells.iter().map(|cell| cell.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&stored), ids(editor.notebook()));
}

async fn assert_damaged(store: &dyn NotebookStore, id: &NotebookId, names: [&str; 3]) {
    match store.load(id).await {
        Err(StoreError::Damaged { id: damaged, reason }) => {
            assert_eq!(damaged, *id);
            assert!(names.iter().all(|name| reason.contains(name)), "{reason:?} does not name {names:?}");
            assert!(!reason.contains("secret"), "{reason:?} holds content");
        }
        other => panic!("{other:?}"),
    }
}

/// Each kind of damage is named by table, column and row, and harms no other notebook.
#[tokio::test]
async fn damaged_rows_are_named_and_harm_nothing_else() {
    let damages = [
        ("UPDATE cells SET order_key = 'x!' WHERE id = 'b'", ["cells", "order_key", "\"b\""]),
        ("UPDATE cells SET code = 'secret ' || U&'\\FDD0' WHERE id = 'b'", ["cells", "code", "\"b\""]),
        ("UPDATE cells SET stdout = U&'secret \\FDD0x' WHERE id = 'b'", ["cells", "stdout", "\"b\""]),
        ("UPDATE cells SET error = U&'secret \\FDD0\\FDD0' WHERE id = 'a'", ["cells", "error", "\"a\""]),
        ("UPDATE cells SET reads = ARRAY[U&'secret\\FDD0'] WHERE id = 'a'", ["cells", "reads", "\"a\""]),
        ("UPDATE cells SET output_count = 3 WHERE id = 'a'", ["cells", "output_count", "\"a\""]),
        ("UPDATE cells SET extra = '[\"secret\"]' WHERE id = 'a'", ["cells", "extra", "\"a\""]),
        ("UPDATE notebooks SET extra = '\"secret\"' WHERE id = 'damaged'", ["notebooks", "extra", "\"damaged\""]),
        (
            "ALTER TABLE cells ALTER code DROP NOT NULL; UPDATE cells SET code = NULL WHERE id = 'a'",
            ["cells", "code", "\"a\""],
        ),
        ("DELETE FROM cell_outputs WHERE cell_id = 'a' AND ordinal = 0", ["cells", "output_count", "\"a\""]),
    ];
    for (sql, names) in damages {
        let database = Database::fresh().await;
        let store = open(&database);
        let cells = [("a", "1"), ("b", "2")];
        let mut editor = Editor::create(&*store, notebook("damaged", &cells)).await;
        editor.commit(&*store, &[printed("a", "x", 2)]).await.unwrap();
        let mut other = Editor::create(&*store, notebook("other", &cells)).await;
        execute(
            &database,
            sql.replace("WHERE", "WHERE notebook_id = 'damaged' AND")
                .replace("WHERE notebook_id = 'damaged' AND id = 'damaged'", "WHERE id = 'damaged'"),
        )
        .await;

        let id = notebook_id("damaged");
        assert_damaged(&*store, &id, names).await;
        assert_damaged(&*store, &id, names).await;
        other.commit(&*store, &[update("a", "still works"), printed("b", "too", 1)]).await.unwrap();
        assert_eq!(kept(&load(&*store, &notebook_id("other")).await), kept(other.notebook()));
        let page = store.list(&ListFilter::of(ann()), &PageRequest::default()).await.unwrap();
        assert_eq!(page.notebooks.len(), 2, "a list reads no cells");
        let ids = [id.clone(), notebook_id("other")];
        let digests = store.digests(&ids).await.unwrap();
        assert_eq!(digests.iter().map(|digested| digested.id.clone()).collect::<Vec<_>>(), [notebook_id("other")]);
        assert!(matches!(store.create(&notebook("damaged", &[]), None).await, Err(StoreError::AlreadyExists { .. })));
        store.delete(Delete { id: &id, base: editor.notebook().base(), record: None }).await.unwrap();
        assert!(store.load(&id).await.unwrap().is_none());
    }
}
