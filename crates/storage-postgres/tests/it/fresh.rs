//! A service whose database was changed by other servers, has lost history, or takes no writes.

use quire_domain::Revision;
use quire_service::{EventKind, NotebookService, Options, ServiceError};
use quire_storage::prelude::*;
use quire_storage::{ListFilter, PageRequest, StoreError};
use quire_test_postgres::{Database, Proxy, Server, Settings};
use sqlx::AssertSqlSafe;

use crate::support::{ann, load, notebook, notebook_id, open, open_with, until, update};

async fn execute(database: &Database, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut database.connect().await).await.unwrap();
}

fn code(notebook: &quire_domain::Notebook) -> String {
    notebook.cells.get(0).unwrap().code.to_string()
}

/// A database that was restored under a running server, or a standby that was promoted too early: the version goes back within
/// one life of the notebook.
#[tokio::test]
async fn what_the_database_has_lost_is_kept_as_a_copy_and_told() {
    let database = Database::fresh().await;
    let stores = [open(&database), open(&database)];
    let services = stores.clone().map(|store| NotebookService::new(store, Options::default()).unwrap());
    let id = notebook_id("n");
    stores[0].create(&notebook("n", &[("a", "first")]), None).await.unwrap();
    let first = stores[0].load(&id).await.unwrap().unwrap().version.0;
    services[0].edit(&ann(), &id, None, update("a", "second")).await.unwrap();
    for service in &services {
        assert_eq!(code(&service.get(&ann(), &id).await.unwrap().notebook), "second");
    }
    let mut watch = services[0].watch(&ann(), &id).await.unwrap();
    execute(
        &database,
        &format!(
            "BEGIN; UPDATE cells SET code = 'first', revision = 0; UPDATE notebooks SET revision = 0, version = {first}, content_digest = NULL; COMMIT"
        ),
    )
    .await;

    let event = watch.next().await.unwrap();
    let EventKind::Recovered(copy) = &event.kind else { panic!("{event:?}") };
    let event = watch.next().await.unwrap();
    assert!(matches!(event.kind, EventKind::Changed(_)), "{event:?}");
    assert_eq!((code(&event.notebook), event.notebook.revision), ("first".to_owned(), Revision(0)));
    for service in &services {
        let view = service.get(&ann(), &id).await.unwrap();
        assert_eq!((code(&view.notebook), view.is_stale), ("first".to_owned(), false));
    }
    // Both servers knew the later state, and made one copy of it.
    let listed = stores[0].list(&ListFilter::of(ann()), &PageRequest::default()).await.unwrap().notebooks;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let recovered = load(&*stores[0], copy).await;
    assert_eq!(code(&recovered), "second");
    assert!(recovered.name.as_deref().is_some_and(|name| name.starts_with("n (recovered ")), "{:?}", recovered.name);
    assert_eq!(recovered.owner, ann());
}

/// The read that finds the loss first, without a watcher.
#[tokio::test]
async fn a_reader_alone_finds_what_the_database_has_lost() {
    let database = Database::fresh().await;
    let store = open(&database);
    let service = NotebookService::new(store.clone(), Options::default()).unwrap();
    let id = notebook_id("n");
    store.create(&notebook("n", &[("a", "first")]), None).await.unwrap();
    let first = store.load(&id).await.unwrap().unwrap().version.0;
    service.edit(&ann(), &id, None, update("a", "second")).await.unwrap();
    execute(&database, "UPDATE cells SET code = 'first', revision = 0").await;
    execute(&database, &format!("UPDATE notebooks SET revision = 0, version = {first}, content_digest = NULL")).await;
    assert_eq!(code(&service.get(&ann(), &id).await.unwrap().notebook), "first");
    let listed = store.list(&ListFilter::of(ann()), &PageRequest::default()).await.unwrap().notebooks;
    assert_eq!(listed.len(), 2, "{listed:?}");
}

/// A standby answers, and lags behind: what a service knows is shown as possibly out of date, nothing older is taken over, and no
/// edit is answered from memory.
#[tokio::test]
async fn a_server_in_recovery_counts_as_none() {
    let primary = Server::start(&Settings::default());
    let database = Database::on(&primary).await;
    let proxy = Proxy::start(&primary);
    let store = open_with(&database.url_at(proxy.port()), quire_storage_postgres::Options::default());
    let service = NotebookService::new(store.clone(), Options::default()).unwrap();
    let id = notebook_id("n");
    store.create(&notebook("n", &[("a", "first")]), None).await.unwrap();
    let standby = primary.standby();
    let accepting =
        quire_storage_postgres::Options { accepts_recovery: true, ..quire_storage_postgres::Options::default() };
    let replica = open_with(&database.url_at(standby.port()), accepting);
    until("the standby has the notebook", async || replica.load(&id).await.unwrap().is_some()).await;
    let other = open_with(&database.url_at(standby.port()), quire_storage_postgres::Options::default());
    let refused = other.load(&id).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let refused = replica.fresh_versions(std::slice::from_ref(&id)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(replica.versions(std::slice::from_ref(&id)).await.unwrap().len(), 1);

    service.edit(&ann(), &id, None, update("a", "second")).await.unwrap();
    primary.kill();
    proxy.lead_to(&standby);
    until("the service has found the standby", async || service.get(&ann(), &id).await.unwrap().is_stale).await;
    assert_eq!(code(&service.get(&ann(), &id).await.unwrap().notebook), "second");
    // An edit that would change nothing, or comes too late, would be answered from memory.
    let refused = service.edit(&ann(), &id, None, update("a", "second")).await;
    assert!(matches!(refused, Err(ServiceError::Store(StoreError::Unavailable { .. }))), "{refused:?}");
}
