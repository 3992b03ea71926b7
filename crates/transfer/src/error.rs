//! Errors that end a transfer early.

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
