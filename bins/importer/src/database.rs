//! The database that the configuration names, after a check of its schema.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::SecretKeys;
use quire_migration::{Limits, STEPS};
use quire_storage::NotebookStore;
use quire_storage_postgres::settings::{self, Arguments};
use quire_storage_postgres::{Options, PostgresNotebookStore};

use crate::cli::DatabaseArgs;
use crate::outcome::{Exit, Failure, chain};

/// Name of this program in the database's views.
const APPLICATION_NAME: &str = "quire-import";
/// Time-out for one notebook: some have hundreds of megabytes of output.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(5);
/// Time for which a notebook waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_mins(10);
/// Maximum number of connections. More would make a database slower, and leave too few for its servers.
const MAX_CONNECTIONS: u32 = 30;

/// Opens the database that the command line or the environment names.
pub(crate) async fn open(arguments: &DatabaseArgs, jobs: usize) -> Result<Arc<dyn NotebookStore>, Failure> {
    let named = Arguments { url: arguments.database_url.as_deref(), url_file: arguments.database_url_file.as_deref() };
    let url = settings::database_url(named, |name| std::env::var(name)).map_err(usage)?;
    let url = url.ok_or_else(|| {
        Failure::usage("no database is named: set DATABASE_URL, or give --database-url-file or --database-url")
    })?;
    let limits = Limits::default();
    let options = url.connect_options(APPLICATION_NAME).map_err(usage)?;
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
        ..Options::default()
    };
    Ok(Arc::new(PostgresNotebookStore::new(url, options).map_err(Failure::of)?))
}

/// The keys that connection strings are sealed with, if there are any.
pub(crate) fn keys() -> Result<Option<Arc<SecretKeys>>, Failure> {
    Ok(settings::secret_keys(|name| std::env::var(name)).map_err(usage)?.map(Arc::new))
}

fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure::usage(chain(&error.into()))
}
