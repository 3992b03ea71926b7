//! The database that the configuration names, after a check of its schema.

use std::sync::Arc;
use std::time::Duration;

use quire_config::Sources;
use quire_migration::{Limits, STEPS};
use quire_storage::{NotebookStore, error_chain};
use quire_storage_postgres::{Options, PostgresNotebookStore};

use crate::outcome::{Exit, Failure};

/// Name of this program in the database's views.
const APPLICATION_NAME: &str = "quire-import";
/// Time-out for one notebook: some have hundreds of megabytes of output.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(5);
/// Time for which a notebook waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_mins(10);
/// Maximum number of connections. More would make a database slower, and leave too few for its servers.
const MAX_CONNECTIONS: u32 = 30;

/// Opens the database that the options name.
pub(crate) async fn open(sources: &Sources, jobs: usize) -> Result<Arc<dyn NotebookStore>, Failure> {
    let url = sources.required_database_url()?;
    let limits = Limits::default();
    let options = url.connect_options(APPLICATION_NAME).map_err(|error| Failure::usage(error_chain(&error)))?;
    let patience = url.connect_timeout().unwrap_or(limits.connect);
    let mut connection = quire_migration::connect(&options, patience).await.map_err(Failure::of)?;
    let state = quire_migration::state(&mut connection, STEPS).await.map_err(Failure::of)?;
    if let Some(advice) = state.advice() {
        return Err(Failure::new(Exit::Failed, format!("{state}: {advice}")));
    }
    let options = Options {
        application_name: APPLICATION_NAME.to_owned(),
        max_connections: u32::try_from(jobs).unwrap_or(u32::MAX).min(MAX_CONNECTIONS),
        acquire_timeout: ACQUIRE_TIMEOUT,
        statement_timeout: STATEMENT_TIMEOUT,
        accepts_recovery: true, // an export may read a standby
        ..Options::default()
    };
    Ok(Arc::new(PostgresNotebookStore::new(url, options).map_err(Failure::of)?))
}
