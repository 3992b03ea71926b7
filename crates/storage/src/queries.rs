//! Questions about what is stored, and about the store itself.

use std::fmt::Debug;

use async_trait::async_trait;
use quire_domain::{ContentDigest, Life, NotebookId, Revision, UserId};
use tokio::sync::broadcast;

use crate::{ListFilter, Page, PageRequest, SearchPage, SearchRequest, StoreError, Version};

/// The digest of a stored notebook's content, with what the digest leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDigest {
    /// The notebook.
    pub id: NotebookId,
    /// Its life.
    pub life: Life,
    /// Its owner.
    pub owner: UserId,
    /// Its last edit.
    pub revision: Revision,
    /// The version of this content.
    pub version: Version,
    /// The digest of its content.
    pub digest: ContentDigest,
    /// Set when it has a connection string.
    pub has_connection: bool,
}

/// The version of a stored notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The notebook.
    pub id: NotebookId,
    /// Its life, within which versions can be compared.
    pub life: Life,
    /// Its last edit.
    pub revision: Revision,
    /// The version of its content.
    pub version: Version,
}

/// The amount that is stored for one owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Notebooks.
    pub notebooks: u64,
    /// Bytes of their cells and results in the form in which they are stored, so fewer than a client sent where that form is
    /// compressed.
    pub bytes: u64,
}

/// The state of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Set when reads can be served.
    pub reads: bool,
    /// Set when writes can be made durable.
    pub writes: bool,
    /// The state of the database, where the store is one.
    pub database: DatabaseState,
}

/// A database's state, as the contract's `/health` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// Reads and writes work.
    Connected,
    /// The database answers, but takes no writes.
    ReadOnly,
    /// The database cannot be reached.
    Disconnected,
    /// The store is no database.
    NotConfigured,
}

/// A hint that a notebook was changed other than by this process's commits. Never trusted for content: load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreEvent {
    /// The notebook.
    pub id: NotebookId,
    /// The version that was stored when the hint was sent; `None` when the notebook was gone or damaged.
    pub version: Option<Version>,
}

/// The part of a [`NotebookStore`](crate::NotebookStore) that answers questions and changes nothing.
#[async_trait]
pub trait NotebookQueries: Debug + Send + Sync + 'static {
    /// Returns a notebook's owner, for access checks: the cost is the same for every owner, and whether the notebook is
    /// there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or when the store fails.
    async fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, StoreError>;

    /// Lists notebooks without reading their cells.
    ///
    /// # Errors
    /// When the store fails.
    async fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, StoreError>;

    /// Finds the owner's notebooks that have the text in their name or code, by reading them; outputs are not searched. In the
    /// order of lists, as many as the page asks for; all without a limit. Damaged notebooks are left out.
    ///
    /// # Errors
    /// When the store fails.
    async fn search(&self, search: SearchRequest<'_>) -> Result<SearchPage, StoreError>;

    /// Returns the digests of these notebooks, in any order; missing and damaged ones are left out. Costs little for notebooks
    /// that have not changed since they were created or replaced; the others are read.
    ///
    /// # Errors
    /// When the store fails.
    async fn digests(&self, ids: &[NotebookId]) -> Result<Vec<StoredDigest>, StoreError>;

    /// Adds up what is stored for an owner. Reads all of it, so it is too slow for every request.
    ///
    /// # Errors
    /// When the store fails.
    async fn usage(&self, owner: &UserId) -> Result<Usage, StoreError>;

    /// Returns the versions of these notebooks, in any order; missing and damaged ones are left out. Reads content only where
    /// another program may have changed a file, so that looking up what has changed costs little.
    ///
    /// # Errors
    /// When the store fails.
    async fn versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError>;

    /// Returns the versions of these notebooks as [`Self::versions`], to a caller that compares them with what it remembers: never
    /// a state that is behind an acknowledged change, as that of a database server in recovery may be.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] also when only such a server answers.
    async fn fresh_versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError>;

    /// Returns `true` if other processes may change what is stored without a [`StoreEvent`], so that what a caller remembers may be
    /// out of date.
    fn is_shared(&self) -> bool;

    /// Returns the store's state, within a second, whatever that state is.
    async fn health(&self) -> Health;

    /// Subscribes to changes that this process's commits did not make, from now on, where the store notices them; a shared
    /// store's are found by [`Self::fresh_versions`]. A receiver that lags must take every notebook for changed.
    fn subscribe(&self) -> broadcast::Receiver<StoreEvent>;
}
