//! Leases of notebooks' kernels, where several servers share a store.

use std::fmt::Debug;

use async_trait::async_trait;
use quire_domain::{NotebookId, Timestamp};

use crate::StoreError;

/// Outcome of an attempt to hold a notebook's kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// This server holds it.
    Lease {
        /// The number of this holding. No other holding has the same.
        epoch: i64,
    },
    /// Another server holds it.
    Elsewhere {
        /// The address of that server, for people.
        address: String,
        /// The time since which it holds the kernel.
        since: Timestamp,
    },
}

/// The leases of kernels, as one server sees them: at most one server at a time holds the kernel of a notebook.
///
/// A lease ends when it is released, when its notebook is deleted, when its server ends, or when another server takes it over because this
/// one has shown no sign of life. A holder learns of this by [`Self::is_held`]. A lease is no licence to write: edits and results are
/// decided by the store's own comparisons.
#[async_trait]
pub trait KernelLeases: Debug + Send + Sync + 'static {
    /// Holds the notebook's kernel, unless another server that is alive does. A repeated call begins another holding.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    async fn hold(&self, id: &NotebookId) -> Result<Held, StoreError>;

    /// Returns the address of another server that is alive and holds the notebook's kernel, and the time since which it does.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    async fn holder(&self, id: &NotebookId) -> Result<Option<(String, Timestamp)>, StoreError>;

    /// Returns `true` if this server still holds the notebook's kernel, by the holding of this number.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    async fn is_held(&self, id: &NotebookId, epoch: i64) -> Result<bool, StoreError>;

    /// Ends this holding. Does nothing if it has ended already.
    ///
    /// # Errors
    /// Returns an error if the store fails. The lease then remains until this server ends, or holds the kernel again.
    async fn release(&self, id: &NotebookId, epoch: i64) -> Result<(), StoreError>;
}
