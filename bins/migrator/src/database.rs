//! The database that the configuration names, and how to connect to it. This module prints no URL, because a URL may
//! contain a password.

use quire_migration::Limits;
use quire_storage_postgres::settings::{self, Arguments};
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};
use sqlx::postgres::PgConnectOptions;

use crate::cli::DatabaseArgs;
use crate::outcome::{Exit, Failure, chain};

/// Name of this program in the server's list of sessions.
pub(crate) const APPLICATION_NAME: &str = "quire-migrate";

/// A database, and the time-outs for it.
pub(crate) struct Target {
    pub(crate) options: PgConnectOptions,
    pub(crate) limits: Limits,
}

/// The database that the arguments, or the environment, name.
pub(crate) fn target(arguments: &DatabaseArgs) -> Result<Target, Failure> {
    let url = url(arguments)?;
    let mut limits = Limits::default();
    limits.connect = url.connect_timeout().unwrap_or(limits.connect);
    let options = url.connect_options(APPLICATION_NAME).map_err(|error| usage(chain(&error)))?;
    Ok(Target { options, limits })
}

/// Returns the store in that database, over one connection.
pub(crate) fn store(arguments: &DatabaseArgs) -> Result<PostgresNotebookStore, Failure> {
    let options = Options { application_name: APPLICATION_NAME.to_owned(), max_connections: 1, ..Options::default() };
    PostgresNotebookStore::new(url(arguments)?, options).map_err(|error| usage(chain(&error)))
}

/// Its URL.
pub(crate) fn url(arguments: &DatabaseArgs) -> Result<DatabaseUrl, Failure> {
    let given = Arguments { url: arguments.database_url.as_deref(), url_file: arguments.database_url_file.as_deref() };
    let url = settings::database_url(given, |name| std::env::var(name)).map_err(|error| usage(chain(&error)))?;
    url.ok_or_else(|| {
        usage("no database is named: set DATABASE_URL, or give --database-url-file or --database-url".to_owned())
    })
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}
