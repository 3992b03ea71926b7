//! The choice of the store that the configuration names, and the checks before it is served.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use quire_migration::{Limits, Progress, STEPS};
use quire_storage::{NotebookStore, Traced, UserDirectory, store_spans};
use quire_storage_json::JsonNotebookStore;
use quire_storage_postgres::{Options, PostgresNotebookStore};
use tokio::time::timeout;

use crate::config::{Config, DatabaseConfig};

/// Name of this program in the database's views.
const APPLICATION_NAME: &str = "quire-server";

/// Time-out for connecting, unless the URL has one. The server listens only after the first attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time for reading which steps of the schema are applied. A database that takes longer counts as away.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(10);

/// An opened store.
pub(crate) struct Opened {
    /// The notebook store.
    pub(crate) notebooks: Arc<dyn NotebookStore>,
    /// The directory of the users who may use the notebooks, if there is one.
    pub(crate) users: Option<Arc<dyn UserDirectory>>,
    /// The database store, if it is one: it refuses every call until the database is ready.
    pub(crate) database: Option<Arc<PostgresNotebookStore>>,
}

/// Opens the store, and logs its kind.
///
/// # Errors
/// If the directory cannot be used, or a file that the database's URL names cannot be read.
pub(crate) fn open(config: &Config) -> anyhow::Result<Opened> {
    match &config.database {
        Some(database) => open_database(database, config.secret_keys.is_some()),
        None => open_directory(config),
    }
}

fn open_directory(config: &Config) -> anyhow::Result<Opened> {
    let store = JsonNotebookStore::open(&config.options.notebooks_dir, quire_storage_json::Options::default())?;
    tracing::info!(directory = %config.options.notebooks_dir.display(), "using file storage");
    if config.secret_keys.is_none() {
        tracing::warn!("no secret key: connection strings are kept as plain text, in files of mode 0600");
    }
    let notebooks = Traced::new(Arc::new(store), store_spans!("json"));
    Ok(Opened { notebooks: Arc::new(notebooks), users: None, database: None })
}

fn open_database(config: &DatabaseConfig, has_key: bool) -> anyhow::Result<Opened> {
    config.url.check_files()?;
    let options = Options {
        application_name: APPLICATION_NAME.to_owned(),
        max_connections: config.connections,
        ..Options::default()
    };
    let store = Arc::new(PostgresNotebookStore::new(config.url.clone(), options)?);
    if !has_key {
        tracing::warn!("no secret key: notebooks can have no connection strings, and existing ones cannot be used");
    }
    store.hold();
    let notebooks = Traced::new(store.clone(), store_spans!("postgres"));
    Ok(Opened { notebooks: Arc::new(notebooks), users: Some(store.clone()), database: Some(store) })
}

/// Releases the store for use.
pub(crate) async fn release(config: &DatabaseConfig, store: &PostgresNotebookStore) {
    store.release();
    // The schema was read, so the database is reachable. The call can fail nevertheless, if requests that waited take
    // all connections.
    if let Err(error) = store.connect().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the store's first call failed; later ones may succeed"
        );
    }
    tracing::info!(database = ?config.url, connections = config.connections, "Database connected");
}

/// Fails unless this server works on the schema.
pub(crate) async fn check_schema(config: &DatabaseConfig) -> anyhow::Result<()> {
    let options = config.url.connect_options(APPLICATION_NAME)?;
    let limits = Limits { connect: config.url.connect_timeout().unwrap_or(CONNECT_TIMEOUT), ..Limits::default() };
    if config.migrate {
        let mut tell = |progress: Progress| tracing::info!("{progress}");
        quire_migration::up(&options, STEPS, &limits, &mut tell).await.context("cannot bring the schema up to date")?;
    }
    let mut connection = quire_migration::connect(&options, limits.connect).await?;
    let state = timeout(SCHEMA_TIMEOUT, quire_migration::state(&mut connection, STEPS)).await;
    let state = state.map_err(|_elapsed| sqlx::Error::from(std::io::Error::from(ErrorKind::TimedOut)))??;
    if let Some(advice) = state.advice() {
        bail!("{state}: {advice}");
    }
    tracing::info!(%state, "schema checked");
    Ok(())
}
