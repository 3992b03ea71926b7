//! The configuration as the server uses it: typed, and valid once it exists.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;

use quire_api::Authenticator;
use quire_config::{ConfigError, Environment};
use quire_domain::SecretKeys;
use quire_storage_postgres::{DatabaseUrl, InstanceMode};

use crate::options::{Instances, Options};
use crate::sign_in;

/// The configuration: the options, and values that are derived from several of them or from secrets of the environment.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The options.
    pub(crate) options: Options,
    /// The database that holds the notebooks, in place of the directory.
    pub(crate) database: Option<DatabaseConfig>,
    /// The keys that connection strings are sealed with.
    pub(crate) secret_keys: Option<Arc<SecretKeys>>,
    /// The address to listen on; in development mode, one of those that requests may name as their host.
    pub(crate) listen: SocketAddr,
    /// The authentication of requests.
    pub(crate) authenticator: Authenticator,
}

/// A database and its use.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseConfig {
    /// The URL of the database.
    pub(crate) url: DatabaseUrl,
    /// Maximum number of connections held.
    pub(crate) connections: u32,
    /// The number of servers that may use it at the same time.
    pub(crate) mode: InstanceMode,
    /// `true` if pending steps of its schema are applied before serving.
    pub(crate) migrate: bool,
}

impl Config {
    /// Reads flags, variables, file and defaults, in that order, and checks them.
    ///
    /// # Errors
    /// Returns the first invalid value with its source, or the text of `--help`.
    pub(crate) fn load(
        arguments: impl IntoIterator<Item = OsString>,
        environment: Environment,
    ) -> Result<Self, ConfigError> {
        let (options, sources) = quire_config::load::<Options>(arguments, environment)?;
        let secret_keys = sources.secret_keys()?.map(Arc::new);
        let database = sources.database_url()?.map(|url| DatabaseConfig {
            url,
            connections: options.database_connections,
            migrate: options.migrate,
            mode: match options.instances {
                Some(Instances::One) => InstanceMode::One,
                Some(Instances::Many) | None => InstanceMode::Many,
            },
        });
        if database.is_none() && options.instances == Some(Instances::Many) {
            sources.check("instances", "many", |_many| {
                Err::<(), _>(
                    "it must be one where no database is named, because the files of a directory are served by one server \
                     alone"
                        .to_owned(),
                )
            })?;
        }
        let authenticator = sign_in::authenticator(&options, &sources)?;
        let address = if authenticator.is_development() { sign_in::loopback } else { sign_in::address };
        let listen = SocketAddr::new(sources.check("host", &options.host, address)?, options.port);
        Ok(Self { options, database, secret_keys, listen, authenticator })
    }
}

#[cfg(test)]
mod tests;
