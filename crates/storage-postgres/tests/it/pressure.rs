//! A database that is full of connections, busy, stopped, read-only or silent: each is told apart, and passes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quire_storage::prelude::*;
use quire_storage::{
    DatabaseState, IdempotencyRecord, ListFilter, NotebookStore, PageRequest, RecordLookup, StoreError,
};
use quire_storage_postgres::{Options, PostgresNotebookStore};
use quire_test_postgres::{Database, Server, Settings};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::support::{Editor, ann, idempotency_record, load, notebook, notebook_id, open, open_with, until, update};

/// One that gives up soon.
fn hasty() -> Options {
    Options {
        acquire_timeout: Duration::from_millis(100),
        connect_timeout: Duration::from_secs(1),
        ..Options::default()
    }
}

/// Outcomes of each reading call for a missing notebook.
async fn reads(store: &dyn NotebookStore) -> Vec<Result<(), StoreError>> {
    let filter = ListFilter::of(ann());
    vec![
        store.load(&notebook_id("x")).await.map(drop),
        store.list(&filter, &PageRequest::default()).await.map(drop),
        store.digests(&[notebook_id("x")]).await.map(drop),
    ]
}

/// Outcomes of each changing call.
async fn writes(store: &dyn NotebookStore, editor: &mut Editor) -> Vec<Result<(), StoreError>> {
    let mut next = editor.notebook().clone();
    next.revision = next.revision.next().unwrap();
    vec![
        editor.commit(store, &[update("a", "refused")]).await.map(drop),
        store.create(&notebook("y", &[]), None).await.map(drop),
        store.replace(editor.notebook().base(), &next).await.map(drop),
        store.delete_current(&notebook_id("x"), None).await,
    ]
}

#[track_caller]
fn assert_all(answers: &[Result<(), StoreError>], what: &str, expected: impl Fn(&StoreError) -> bool) {
    for (index, answer) in answers.iter().enumerate() {
        assert!(matches!(answer, Err(error) if expected(error)), "{what}, call {index}: {answer:?}");
    }
}

fn is_overloaded(error: &StoreError) -> bool {
    matches!(error, StoreError::Overloaded { .. })
}

fn is_unavailable(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

pub(crate) async fn becomes(store: &PostgresNotebookStore, state: DatabaseState) {
    until(&format!("the store says that it is {state:?}"), async || {
        let start = Instant::now();
        let health = store.health().await;
        assert!(start.elapsed() < Duration::from_secs(1), "it took {:?} to say {health:?}", start.elapsed());
        health.database == state && health.writes == (state == DatabaseState::Connected)
    })
    .await;
}

/// Others hold all the connections that the server gives.
#[tokio::test]
async fn a_server_without_connections_left_is_overloaded() {
    let conf = ["max_connections = 8", "superuser_reserved_connections = 0"];
    let server = Server::start(&Settings { conf: conf.map(str::to_owned).into(), ..Settings::default() });
    let database = Database::on(&server).await;
    let store = open_with(database.url(), hasty());
    let mut editor = Editor::create(&*store, notebook("x", &[("a", "")])).await;
    store.close().await;
    let store = open_with(database.url(), hasty());
    let mut others = Vec::new();
    let refused = loop {
        match database.options().connect().await {
            Ok(connection) => others.push(connection),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("53300"));
    assert_all(&reads(&*store).await, "reading", is_overloaded);
    assert_all(&writes(&*store, &mut editor).await, "writing", is_overloaded);
    for other in others {
        other.close().await.unwrap();
    }
    until("the server has connections again", async || store.load(&notebook_id("x")).await.is_ok()).await;
    editor.commit(&*store, &[update("a", "later")]).await.unwrap();
}

/// All the store's own connections are in use.
#[tokio::test]
async fn a_store_whose_connections_are_busy_is_overloaded() {
    let database = Database::fresh().await;
    let store = open_with(database.url(), Options { max_connections: 2, ..hasty() });
    let mut editor = Editor::create(&*store, notebook("x", &[("a", "")])).await;
    let mut holder = database.connect().await;
    sqlx::raw_sql("BEGIN; SELECT FROM notebooks FOR UPDATE").execute(&mut holder).await.unwrap();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                Editor::load(&*store, &notebook_id("x")).await.commit(&*store, &[update("a", "waits")]).await
            })
        })
        .collect();
    let mut watcher = database.connect().await;
    until("both wait for the row", async || {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut watcher).await.unwrap() == 2
    })
    .await;
    assert_all(&reads(&*store).await, "reading", is_overloaded);
    assert_all(&writes(&*store, &mut editor).await, "writing", is_overloaded);
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let mut accepted = 0;
    for call in waiting {
        accepted += usize::from(call.await.unwrap().is_ok());
    }
    assert_eq!(accepted, 1);
    assert_eq!(load(&*store, &notebook_id("x")).await.revision.0, 1);
}

#[tokio::test]
async fn a_stopped_server_is_unavailable_until_it_is_back() {
    let server = Server::start(&Settings::default());
    let database = Database::on(&server).await;
    let store = open_with(database.url(), hasty());
    let mut editor = Editor::create(&*store, notebook("x", &[("a", "")])).await;
    becomes(&store, DatabaseState::Connected).await;
    server.stop();
    assert_all(&reads(&*store).await, "reading", is_unavailable);
    // No connection is left that might have carried them.
    assert_all(&writes(&*store, &mut editor).await, "writing", is_unavailable);
    becomes(&store, DatabaseState::Disconnected).await;
    server.restart();
    editor.commit(&*store, &[update("a", "later")]).await.unwrap();
    becomes(&store, DatabaseState::Connected).await;
    assert_eq!(load(&*store, &notebook_id("x")).await.revision.0, 1);
}

/// A server that only reads, for a database that does, still looks for answers.
#[tokio::test]
async fn an_expired_answer_in_a_read_only_database_is_none() {
    let database = Database::fresh().await;
    let name = database.name();
    let (writer, old) = (open(&database), idempotency_record(1));
    writer.create(&notebook("x", &[]), Some(&old)).await.unwrap();
    let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database.connect().await).await.unwrap();
    let reader = open(&database);
    let look = async |now| reader.record(RecordLookup { user: &old.user, key: old.key, now }).await.unwrap();
    assert_eq!(look(old.at).await.as_ref(), Some(&old));
    assert_eq!(look(old.at + IdempotencyRecord::LIFE).await, None);
    assert_eq!(look(old.at).await.as_ref(), Some(&old), "it is where it was");
}

/// As after a failover, when the connections lead to what is a replica now.
#[tokio::test]
async fn a_read_only_database_is_noticed_and_left() {
    let database = Database::fresh().await;
    let mut administrator = database.connect().await;
    let mut execute = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut administrator).await.unwrap();
    };
    let name = database.name();
    let store = open(&database);
    let mut editor = Editor::create(&*store, notebook("x", &[("a", "")])).await;
    becomes(&store, DatabaseState::Connected).await;
    execute(format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on;
         SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    ))
    .await;
    // Reads find new connections, which are read-only.
    for answer in reads(&*store).await {
        answer.unwrap();
    }
    assert_all(&writes(&*store, &mut editor).await, "writing", is_unavailable);
    becomes(&store, DatabaseState::ReadOnly).await;
    let health = store.health().await;
    assert!(health.reads && !health.writes);

    execute(format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await;
    // Not one of the connections that were made meanwhile is used again, or this would be refused.
    for number in 0..20 {
        editor.commit(&*store, &[update("a", &number.to_string())]).await.unwrap();
    }
    becomes(&store, DatabaseState::Connected).await;
}
