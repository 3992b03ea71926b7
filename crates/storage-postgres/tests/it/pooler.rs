//! The suite that every store passes, through a pooler in transaction mode.

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
