//! The suite that every store passes, on a pool of the program that embeds the store.

use std::sync::Arc;

use quire_storage::NotebookStore;
use quire_storage::conformance::{Failure, StoreBuilder};
use quire_storage_postgres::PostgresNotebookStore;
use quire_test_postgres::Database;
use sea_orm::{ConnectOptions, DbErr};

struct Builder;

async fn open(database: &Database) -> Result<Arc<dyn NotebookStore>, DbErr> {
    let mut options = ConnectOptions::new(database.url());
    options.max_connections(10).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await?;
    Ok(Arc::new(PostgresNotebookStore::with_connection(connection)))
}

impl StoreBuilder for Builder {
    type Guard = Database;

    async fn build(&self) -> Result<(Arc<dyn NotebookStore>, Database), Failure> {
        let database = Database::fresh().await;
        Ok((open(&database).await?, database))
    }

    async fn reopen(
        &self,
        store: Arc<dyn NotebookStore>,
        database: &mut Database,
    ) -> Result<Arc<dyn NotebookStore>, Failure> {
        drop(store);
        Ok(open(database).await?)
    }
}

quire_storage::conformance_tests!(Builder);
