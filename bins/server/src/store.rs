//! Which store holds the notebooks: the choice that the configuration makes, and what must be true before it is served.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use quire_migration::{Limits, Progress, STEPS};
use quire_storage::{NotebookStore, UserDirectory};
use quire_storage_json::JsonNotebookStore;
use quire_storage_postgres::{Options, PostgresNotebookStore};
use tokio::time::timeout;

use crate::config::{Config, DatabaseConfig};
use crate::waiting::Waiting;

/// What the database's views call this program.
const APPLICATION_NAME: &str = "quire-server";

/// Maximum time for reading which steps of the schema are applied. A database that takes longer counts as away.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(10);

/// What a store gives.
pub(crate) struct Opened {
    /// The notebooks.
    pub(crate) notebooks: Arc<dyn NotebookStore>,
    /// Who may use them, where that is known.
    pub(crate) users: Option<Arc<dyn UserDirectory>>,
    /// Set while the database is away: the wait for it, which must be run.
    pub(crate) waiting: Option<Waiting>,
}

/// Opens the store, and logs which it is.
///
/// # Errors
/// When the directory cannot be used, or the database refuses the user or has a schema that this server does not know. A
/// database that is away is no error.
pub(crate) async fn open(config: &Config) -> anyhow::Result<Opened> {
    match &config.database {
        Some(database) => open_database(database, config.secret_keys.is_some()).await,
        None => open_directory(config),
    }
}

fn open_directory(config: &Config) -> anyhow::Result<Opened> {
    let store = JsonNotebookStore::open(&config.options.notebooks_dir, quire_storage_json::Options::default())?;
    tracing::info!(directory = %config.options.notebooks_dir.display(), "using file storage");
    if config.secret_keys.is_none() {
        tracing::warn!("no secret key: connection strings are kept as plain text, in files of mode 0600");
    }
    Ok(Opened { notebooks: Arc::new(store), users: None, waiting: None })
}

async fn open_database(config: &DatabaseConfig, has_key: bool) -> anyhow::Result<Opened> {
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
    let waiting = Waiting::begin(config, &store).await?;
    Ok(Opened { notebooks: Arc::clone(&store) as Arc<dyn NotebookStore>, users: Some(store), waiting })
}

/// Checks the schema, and lets the store be used.
pub(crate) async fn connect(config: &DatabaseConfig, store: &PostgresNotebookStore) -> anyhow::Result<()> {
    check_schema(config).await?;
    store.release();
    // The schema was read, so the database is there and lets us in: requests that waited may take all connections for now.
    if let Err(error) = store.connect().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the store's first call failed; later ones may succeed"
        );
    }
    tracing::info!(database = ?config.url, connections = config.connections, "Database connected");
    Ok(())
}

/// Makes sure that the schema is one that this server works on.
async fn check_schema(config: &DatabaseConfig) -> anyhow::Result<()> {
    let options = config.url.connect_options(APPLICATION_NAME)?;
    let mut limits = Limits::default();
    limits.connect = config.url.connect_timeout().unwrap_or(limits.connect);
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
