//! The wait for a database that is away when the server starts. The server listens meanwhile, so that no supervisor
//! takes it for dead and ends it. Requests that need the database are refused.

use std::sync::Arc;
use std::time::Duration;

use quire_storage_postgres::PostgresNotebookStore;
use tokio::time::sleep;

use crate::config::DatabaseConfig;
use crate::store;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// Number of failed attempts between two log lines.
const ATTEMPTS_PER_LINE: u32 = 60;

/// A database that has not answered yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    config: DatabaseConfig,
    store: Arc<PostgresNotebookStore>,
}

impl Waiting {
    /// Connects once; returns the wait if the database is away.
    ///
    /// # Errors
    /// If the database answers and refuses, or the configuration is invalid.
    pub(crate) async fn begin(
        config: &DatabaseConfig,
        store: &Arc<PostgresNotebookStore>,
    ) -> anyhow::Result<Option<Self>> {
        match store::connect(config, store).await {
            Ok(()) => Ok(None),
            Err(error) if is_away(&error) => {
                log(&error);
                Ok(Some(Self { config: config.clone(), store: Arc::clone(store) }))
            }
            Err(error) => Err(error),
        }
    }

    /// Retries until the database answers.
    ///
    /// # Errors
    /// If the database answers and refuses.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut failed: u32 = 0;
        loop {
            sleep(PAUSE).await;
            match store::connect(&self.config, &self.store).await {
                Err(error) if is_away(&error) => {
                    failed += 1;
                    if failed.is_multiple_of(ATTEMPTS_PER_LINE) {
                        log(&error);
                    }
                }
                outcome => return outcome,
            }
        }
    }
}

fn log(error: &anyhow::Error) {
    tracing::warn!(error = format!("{error:#}"), "the database is away; waiting for it");
}

/// Returns `true` for a transient failure: no connection, or a server that starts, stops or is full. A wrong password,
/// a missing database and a schema that does not fit are permanent.
fn is_away(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(|cause| match cause {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(answer) => {
            let code = answer.code().unwrap_or_default();
            matches!(code.as_ref(), "57P01" | "57P02" | "57P03" | "53300" | "08000" | "08003" | "08006")
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_cannot_be_made_is_waited_for_whatever_says_so() {
        let refused = || sqlx::Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let migrating = quire_migration::MigrateError::Connect { place: "q".to_owned(), source: refused() };
        for error in [anyhow::Error::from(refused()), anyhow::Error::from(migrating).context("cannot bring up to date")]
        {
            assert!(is_away(&error), "{error:?}");
        }
        for error in [anyhow::anyhow!("another schema"), sqlx::Error::RowNotFound.into()] {
            assert!(!is_away(&error), "{error:?}");
        }
    }
}
