//! Notebooks as a whole: the part of a store that reads and changes them.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use quire_domain::{Base, Change, Notebook, NotebookId};
use uuid::Uuid;

use crate::{IdempotencyRecord, StoreError};

/// A number that every commit of a store takes anew, of edits or of results: equal versions mean equal content.
/// Comparable only within one life of a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i64);

/// The id of one commit, by which a store recognises a repetition and tells whether a commit happened whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommitId(pub Uuid);

/// A notebook as it is stored.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The notebook; of each cell's analysis only the names are known, and `cycles` is empty.
    pub notebook: Notebook,
    /// The version of this content.
    pub version: Version,
}

/// Changes to one notebook that become durable together.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The id of this commit; a repetition of unknown outcome carries the same.
    pub id: CommitId,
    /// The life and the revision that the changes were made on.
    pub base: Base,
    /// The changes, in order: each starts at the revision at which the one before it ends, the first at that of `base`.
    pub changes: &'a [Arc<Change>],
    /// The notebook after all changes, for stores that write notebooks whole.
    pub after: &'a Notebook,
    /// The idempotency records of the requests that asked for the changes: stored if the changes are.
    pub records: &'a [IdempotencyRecord],
}

/// A change that a store has made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version of the new content.
    pub version: Version,
    /// The version of the content that it changed; absent for a new notebook, or where the store does not know.
    /// It is not the one that the caller knows where another process has stored results since.
    pub previous: Option<Version>,
}

/// The deletion of a notebook.
#[derive(Clone, Copy, Debug)]
pub struct Delete<'a> {
    /// The notebook.
    pub id: &'a NotebookId,
    /// The life and the revision that it is deleted at.
    pub base: Base,
    /// The idempotency record of the request that asked for it: stored if the notebook is deleted.
    pub record: Option<&'a IdempotencyRecord>,
}

/// The part of a [`NotebookStore`](crate::NotebookStore) that reads and changes notebooks.
#[async_trait]
pub trait NotebookRepository: Debug + Send + Sync + 'static {
    /// Stores a new notebook, cells and results included, at the revision it has, with the idempotency record of the request.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when there is one with this id, of any owner; of two calls at once exactly one
    /// succeeds. [`StoreError::AlreadyRecorded`].
    async fn create(&self, notebook: &Notebook, record: Option<&IdempotencyRecord>) -> Result<Committed, StoreError>;

    /// Loads a notebook with its cells and outputs.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or when the store fails.
    async fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, StoreError>;

    /// Makes changes durable together. Repeating a commit that happened, with the same id, right after it, succeeds and
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::RevisionMismatch`] when what is stored is not the base, [`StoreError::NotFound`],
    /// [`StoreError::AlreadyRecorded`], [`StoreError::Full`], [`StoreError::OutcomeUnknown`], or when the store fails.
    async fn commit(&self, commit: Commit<'_>) -> Result<Committed, StoreError>;

    /// Puts this notebook, cells and results included, with the life and at the revision it has, in the place of the one that
    /// is stored: for bringing notebooks back from elsewhere, where no changes are known.
    ///
    /// # Errors
    /// [`StoreError::RevisionMismatch`] when what is stored is not `base`, or, in a store that several processes may use, when
    /// the new notebook is of the same life and its revision is not above the base's, so that a writer that edits on `base` notices;
    /// [`StoreError::NotFound`], [`StoreError::Full`], [`StoreError::OutcomeUnknown`], or when the store fails.
    async fn replace(&self, base: Base, notebook: &Notebook) -> Result<Committed, StoreError>;

    /// Deletes a notebook with everything in it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there; [`StoreError::RevisionMismatch`] when what is stored is not the base,
    /// and was left as it is; [`StoreError::AlreadyRecorded`].
    async fn delete(&self, delete: Delete<'_>) -> Result<(), StoreError>;
}
