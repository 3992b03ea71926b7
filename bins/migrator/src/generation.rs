//! New lives for all notebooks, after a restore.

use quire_config::Sources;
use quire_storage::error_chain;

use crate::database;
use crate::outcome::{Exit, Failure};
use crate::schema::say;

/// Gives all notebooks new lives, and prints their number.
pub(crate) async fn run(sources: &Sources) -> Result<Exit, Failure> {
    let store = database::store(sources)?;
    let renewed = store.renew_lives().await.map_err(|error| Failure::new(Exit::Failed, error_chain(&error)))?;
    store.close().await;
    say(&format_args!("{renewed} notebooks have new lives: what clients knew of them from before matches nothing"));
    Ok(Exit::Done)
}
