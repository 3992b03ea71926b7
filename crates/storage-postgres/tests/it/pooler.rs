//! The suite that every store passes, through a pooler in transaction mode, of which the URL knows or does not.

use std::sync::{Arc, LazyLock};

use quire_storage::NotebookStore;
use quire_storage::conformance::{Failure, StoreBuilder};
use quire_storage_postgres::Options;
use quire_test_postgres::{Database, PgBouncer, Server};

use crate::support::open_with;

static POOLER: LazyLock<PgBouncer> = LazyLock::new(|| PgBouncer::start(Server::shared()));

struct Builder;

fn open(database: &Database) -> Arc<dyn NotebookStore> {
    let separator = if database.url().contains('?') { '&' } else { '?' };
    open_with(&format!("{}{separator}pgbouncer=true", database.url_at(POOLER.port())), Options::default())
}

impl StoreBuilder for Builder {
    type Guard = Database;

    async fn build(&self) -> Result<(Arc<dyn NotebookStore>, Database), Failure> {
        let database = Database::fresh().await;
        Ok((open(&database), database))
    }

    async fn reopen(
        &self,
        store: Arc<dyn NotebookStore>,
        database: &mut Database,
    ) -> Result<Arc<dyn NotebookStore>, Failure> {
        drop(store);
        Ok(open(database))
    }
}

quire_storage::conformance_tests!(Builder);

/// Poolers that no URL tells of.
mod untold {
    use std::sync::{Arc, LazyLock};

    use quire_storage::NotebookStore;
    use quire_storage::conformance::{Failure, StoreBuilder};
    use quire_storage::prelude::*;
    use quire_storage_postgres::Options;
    use quire_test_postgres::{Database, PgBouncer, Server};

    use crate::support::{Editor, load, notebook, notebook_id, open_with, update, with_connections};

    /// A pooler with few connections, so that a statement seldom meets the one before it on the same.
    fn pooler(settings: &[(&str, &str)]) -> PgBouncer {
        let few = [("default_pool_size", "3"), ("server_round_robin", "1")];
        PgBouncer::start_with(Server::shared(), &[&few[..], settings].concat())
    }

    static POOLER: LazyLock<PgBouncer> = LazyLock::new(|| pooler(&[]));

    struct Builder;

    impl StoreBuilder for Builder {
        type Guard = Database;

        async fn build(&self) -> Result<(Arc<dyn NotebookStore>, Database), Failure> {
            let database = Database::fresh().await;
            Ok((open_with(&database.url_at(POOLER.port()), Options::default()), database))
        }

        async fn reopen(
            &self,
            store: Arc<dyn NotebookStore>,
            database: &mut Database,
        ) -> Result<Arc<dyn NotebookStore>, Failure> {
            drop(store);
            Ok(open_with(&database.url_at(POOLER.port()), Options::default()))
        }
    }

    quire_storage::conformance_tests!(Builder);

    /// As it is installed: it refuses start-up parameters that it does not know, with 08P01.
    #[tokio::test]
    async fn a_pooler_that_refuses_start_up_parameters_is_noticed() {
        edits_are_stored(&pooler(&[("ignore_startup_parameters", "")])).await;
    }

    /// A session of its own, but without the limit for statements that was asked for.
    #[tokio::test]
    async fn a_pooler_of_sessions_that_drops_start_up_parameters_is_noticed() {
        edits_are_stored(&pooler(&[("pool_mode", "session"), ("default_pool_size", "20")])).await;
    }

    async fn edits_are_stored(pooler: &PgBouncer) {
        let database = Database::fresh().await;
        let store = open_with(&database.url_at(pooler.port()), with_connections(4));
        let ids: Vec<_> = (0..4).map(|number| format!("n{number}")).collect();
        let edited = ids.iter().map(async |id| {
            let mut editor = Editor::create(&*store, notebook(id, &[("a", "")])).await;
            for round in 0..10 {
                editor.commit(&*store, &[update("a", &format!("x = {round}"))]).await.unwrap();
                load(&*store, &notebook_id(id)).await;
            }
            assert_eq!(store.digests(&[notebook_id(id)]).await.unwrap().len(), 1);
        });
        futures_util::future::join_all(edited).await;
        let health = store.health().await;
        assert!(health.reads && health.writes, "{health:?}");
    }
}
