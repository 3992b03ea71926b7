//! Errors that end a transfer early.

use std::error::Error;
use std::io;

use quire_storage::StoreError;

/// Reason why a transfer ended early. Its work until then is kept, and the same call continues from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The source cannot be read at all.
    #[error("{0}")]
    Source(String),
    /// A store is gone, or refuses every call.
    #[error("the {which} cannot be used any more")]
    Store {
        /// Name of the store.
        which: &'static str,
        /// Cause.
        #[source]
        source: StoreError,
    },
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Report(#[source] io::Error),
    /// A task of this crate panicked.
    #[error("a part of the program failed: {0}")]
    Broken(String),
}

/// Returns an error with its causes in one clause. A cause that its error already repeats appears once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
