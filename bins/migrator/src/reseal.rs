//! Change of the secret key.

use quire_config::Sources;
use quire_storage::error_chain;
use quire_storage_postgres::Resealed;

use crate::database;
use crate::outcome::{Exit, Failure};
use crate::schema::say;

/// Seals all connection strings with the current key. Strings that cannot be opened are listed, and make the command
/// fail.
pub(crate) async fn run(sources: &Sources) -> Result<Exit, Failure> {
    let keys = sources
        .secret_keys()?
        .ok_or_else(|| Failure::new(Exit::Usage, "there is no secret key: set QUIRE_SECRET_KEY"))?;
    let store = database::store(sources)?;
    let done = store.reseal(&keys).await.map_err(|error| Failure::new(Exit::Failed, error_chain(&error)))?;
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
