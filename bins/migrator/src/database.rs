//! The database that the configuration names, and how to connect to it. This module prints no URL, because a URL may
//! contain a password.

use quire_config::Sources;
use quire_migration::Limits;
use quire_storage::error_chain;
use quire_storage_postgres::{Options, PostgresNotebookStore};
use sqlx::postgres::PgConnectOptions;

use crate::outcome::{Exit, Failure};

/// Name of this program in the server's list of sessions.
pub(crate) const APPLICATION_NAME: &str = "quire-migrate";

/// A database, and the time-outs for it.
pub(crate) struct Target {
    pub(crate) options: PgConnectOptions,
    pub(crate) limits: Limits,
}

/// The database that the options name.
pub(crate) fn target(sources: &Sources) -> Result<Target, Failure> {
    let url = sources.required_database_url()?;
    let mut limits = Limits::default();
    limits.connect = url.connect_timeout().unwrap_or(limits.connect);
    let options = url.connect_options(APPLICATION_NAME).map_err(|error| usage(&error))?;
    Ok(Target { options, limits })
}

/// Returns the store in that database, over one connection.
pub(crate) fn store(sources: &Sources) -> Result<PostgresNotebookStore, Failure> {
    let options = Options { application_name: APPLICATION_NAME.to_owned(), max_connections: 1, ..Options::default() };
    let url = sources.required_database_url()?;
    PostgresNotebookStore::new(url, options).map_err(|error| usage(&error))
}

fn usage(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Exit::Usage, error_chain(error))
}
