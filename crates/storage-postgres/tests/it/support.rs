//! Stores on databases of their own.

use std::sync::Arc;

use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};
use quire_test_postgres::Database;

/// A store on this database.
pub(crate) fn open(database: &Database) -> Arc<PostgresNotebookStore> {
    open_with(database.url(), Options::default())
}

pub(crate) fn open_with(url: &str, options: Options) -> Arc<PostgresNotebookStore> {
    Arc::new(PostgresNotebookStore::new(DatabaseUrl::parse(url).unwrap(), options).unwrap())
}
