//! What ends a transfer before its end.

use std::error::Error;
use std::io;

use quire_storage::StoreError;

/// Why a transfer ended before its end. What was done until then is kept, and the same call goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Nothing can be read at all.
    #[error("{0}")]
    Source(String),
    /// A store is gone, or refuses everything.
    #[error("the {which} cannot be used any more")]
    Store {
        /// Which store.
        which: &'static str,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Report(#[source] io::Error),
    /// A task of ours panicked.
    #[error("a part of the program failed: {0}")]
    Broken(String),
}

/// An error with its causes, in one clause. Some errors repeat their cause, which once is enough.
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
