//! Changing the secret key.

use quire_storage_postgres::settings;
use quire_storage_postgres::{Options, PostgresNotebookStore, Resealed};

use crate::cli::DatabaseArgs;
use crate::database::{self, APPLICATION_NAME};
use crate::outcome::{Exit, Failure, chain};
use crate::schema::say;

/// Seals all connection strings with the current key; those that cannot be opened are named, and the exit code is that of
/// a failure.
pub(crate) async fn run(arguments: &DatabaseArgs) -> Result<Exit, Failure> {
    let keys = settings::secret_keys(|name| std::env::var(name));
    let keys = keys.map_err(|error| Failure::new(Exit::Usage, chain(&error)))?;
    let keys = keys.ok_or_else(|| Failure::new(Exit::Usage, "there is no secret key: set QUIRE_SECRET_KEY"))?;
    let options = Options { application_name: APPLICATION_NAME.to_owned(), max_connections: 1, ..Options::default() };
    let store = PostgresNotebookStore::new(database::url(arguments)?, options);
    let store = store.map_err(|error| Failure::new(Exit::Usage, chain(&error)))?;
    let done = store.reseal(&keys).await.map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    store.close().await;
    let Resealed { resealed, current, unopened } = done;
    for (notebook, why) in &unopened {
        say(&format_args!("notebook {notebook}: the connection string cannot be opened: {why}"));
    }
    say(&format_args!(
        "{resealed} connection strings sealed anew, {current} were under the current key, {} cannot be opened",
        unopened.len()
    ));
    Ok(if unopened.is_empty() { Exit::Done } else { Exit::Failed })
}
