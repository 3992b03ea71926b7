//! What ends a transfer before its end.

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
