//! Nothing comes back from the network, not even a refusal: calls end by themselves, and the store goes on afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use quire_storage::prelude::*;
use quire_storage::{DatabaseState, ListFilter, PageRequest, StoreError};
use quire_storage_postgres::{Options, PostgresNotebookStore};
use quire_test_postgres::{Database, Proxy, Server};

use crate::pressure::becomes;
use crate::support::{Editor, ann, load, notebook, notebook_id, open, open_with, until, update};

const CONNECTIONS: u32 = 3;
/// The statement's time, that for connecting again, and then some.
const BOUND: Duration = Duration::from_secs(10);

struct Network {
    database: Database,
    proxy: Proxy,
    store: Arc<PostgresNotebookStore>,
    editor: Editor,
}

impl Network {
    /// A store behind a proxy, with all its connections open.
    async fn new() -> Self {
        let database = Database::fresh().await;
        let proxy = Proxy::start(Server::shared());
        let options = Options {
            max_connections: CONNECTIONS,
            connect_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_millis(300),
            ..Options::default()
        };
        let store = open_with(&database.url_at(proxy.port()), options);
        let editor = Editor::create(&*store, notebook("x", &[("a", "")])).await;
        let network = Self { database, proxy, store, editor };
        network.open_all().await;
        network
    }

    async fn open_all(&self) {
        let mut watcher = self.database.connect().await;
        until("all connections are open", async || {
            join_all((0..CONNECTIONS).map(|_| load(&*self.store, &self.editor.notebook().id))).await;
            let sql = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'quire'";
            sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut watcher).await.unwrap() >= i64::from(CONNECTIONS)
        })
        .await;
    }

    async fn list(&self) -> Result<usize, StoreError> {
        let page = self.store.list(&ListFilter::of(ann()), &PageRequest::default()).await;
        page.map(|page| page.notebooks.len())
    }
}

async fn bounded<T>(call: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let answer = call.await;
    assert!(start.elapsed() < BOUND, "it took {:?}", start.elapsed());
    answer
}

#[tokio::test]
async fn health_tells_of_silence_in_time_and_of_its_end() {
    let network = Network::new().await;
    becomes(&network.store, DatabaseState::Connected).await;
    network.proxy.freeze();
    becomes(&network.store, DatabaseState::Disconnected).await;
    network.proxy.thaw();
    becomes(&network.store, DatabaseState::Connected).await;
}

/// Looks at the store's health are given up before a statement is: what they used must not stay lost. Nobody else asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_alone_replaces_forgotten_connections() {
    let network = Network::new().await;
    for _ in 0..4 {
        join_all((0..CONNECTIONS).map(|_| network.store.load(&network.editor.notebook().id))).await;
        network.proxy.strand();
        network.proxy.reset();
        until("a look passes", async || {
            becomes(&network.store, DatabaseState::Connected).await;
            // What was found before is told again for a while.
            network.proxy.counts().executions >= 2
        })
        .await;
    }
}

#[tokio::test]
async fn lists_on_forgotten_connections_end_and_the_next_ones_work() {
    let network = Network::new().await;
    network.proxy.strand();
    for answer in bounded(join_all((0..CONNECTIONS).map(|_| network.list()))).await {
        // Where the connection was just being tried, another one takes its place.
        assert!(matches!(answer, Ok(1) | Err(StoreError::Unavailable { .. })), "{answer:?}");
    }
    for answer in bounded(join_all((0..CONNECTIONS * 2).map(|_| network.list()))).await {
        assert_eq!(answer.unwrap(), 1);
    }
}

/// The network forgets the connections at the worst moment: just when the pool tries whether they can be used again.
/// Rounds enough to meet it, since nobody can tell when that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_forgotten_at_any_moment_are_replaced() {
    let network = Network::new().await;
    let id = notebook_id("x");
    for round in 0..4 {
        let load = || network.store.load(&id);
        bounded(join_all((0..CONNECTIONS).map(|_| load()))).await;
        network.proxy.strand();
        // Some end unanswered, none of them waits for ever.
        bounded(join_all((0..CONNECTIONS).map(|_| load()))).await;
        bounded(load()).await.unwrap_or_else(|error| panic!("round {round}: {error:?}")).unwrap();
    }
    bounded(network.store.close()).await;
}

/// Loads that nobody waits for any more leave no connection behind that is lost.
#[tokio::test]
async fn dropped_calls_leave_the_pool_whole() {
    let network = Network::new().await;
    network.proxy.strand();
    let id = notebook_id("x");
    let dropped = (0..CONNECTIONS).map(|_| tokio::time::timeout(Duration::from_millis(50), network.store.load(&id)));
    assert!(join_all(dropped).await.iter().all(Result::is_err));
    for answer in bounded(join_all((0..CONNECTIONS * 2).map(|_| network.store.load(&id)))).await {
        answer.unwrap().unwrap();
    }
}

/// A commit on a forgotten connection was never seen by the server: that is found out, and it is made on another.
#[tokio::test]
async fn a_commit_on_a_forgotten_connection_is_made_on_another() {
    let mut network = Network::new().await;
    network.proxy.strand();
    bounded(network.editor.commit(&*network.store, &[update("a", "again")])).await.unwrap();
    assert_eq!(load(&*network.store, &notebook_id("x")).await.revision.0, 1);
}

/// While the whole network is silent nobody can tell what became of a commit; what it left behind in the network may even
/// arrive later.
#[tokio::test]
async fn a_commit_into_silence_is_of_unknown_outcome() {
    let Network { database, proxy, store, mut editor } = Network::new().await;
    proxy.freeze();
    let group = editor.apply(&[update("a", "late")]);
    let answer = bounded(group.commit(&*store)).await;
    assert!(matches!(answer, Err(StoreError::OutcomeUnknown { .. })), "{answer:?}");
    proxy.thaw();
    bounded(group.commit(&*store)).await.unwrap();
    let stored = load(&*open(&database), &notebook_id("x")).await;
    assert_eq!((stored.revision.0, &*stored.cells.get(0).unwrap().code), (1, "late"));
}
