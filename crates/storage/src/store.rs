//! The store trait: its documentation is the contract, and [`crate::conformance`] tests it.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use quire_domain::{Base, Change, ContentDigest, Life, Notebook, NotebookId, Revision, Timestamp, UserId};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::{IdempotencyKey, IdempotencyRecord, ListFilter, Page, PageRequest, SearchPage, SearchText, StoreError};

/// A number that every commit of a store takes anew, of edits or of results: equal versions mean equal content.
/// Comparable only within one life of a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i64);

/// Identifies one commit, so that it can be told whether it happened when the answer was lost, and a repetition of it
/// does nothing.
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
    /// Identifies this commit; a caller who repeats it, not knowing whether it happened, uses the same.
    pub id: CommitId,
    /// The life and the revision that the changes were made on.
    pub base: Base,
    /// What is different, in order: each starts at the revision at which the one before it ends, the first at that of `base`.
    pub changes: &'a [Arc<Change>],
    /// The notebook after all changes, for stores that write notebooks whole.
    pub after: &'a Notebook,
    /// The answers to the requests that wanted the changes and may come again: kept if the changes are.
    pub answers: &'a [IdempotencyRecord],
}

/// What is stored of a notebook, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
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
    /// Whether it has a connection string, which the digest leaves out.
    pub has_connection: bool,
}

/// The version that is stored of a notebook.
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

/// How much is kept for one owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Notebooks.
    pub notebooks: u64,
    /// Bytes of their cells and results in the form in which the store keeps them, so fewer than a client sent where that
    /// form is compressed.
    pub bytes: u64,
}

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether reads can be served.
    pub reads: bool,
    /// Whether writes can be made durable.
    pub writes: bool,
    /// What of that is a database.
    pub database: DatabaseState,
}

/// A database's state, as the contract's `/health` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// Reads and writes work.
    Connected,
    /// It answers, but takes no writes.
    ReadOnly,
    /// It cannot be reached.
    Disconnected,
    /// The store is no database.
    NotConfigured,
}

/// A hint that a notebook changed by other hands than this process's commits. Never trusted for content: load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreEvent {
    /// The notebook.
    pub id: NotebookId,
}

/// Keeps notebooks.
///
/// # Contract
///
/// - **Durable.** When a changing call returns `Ok`, the change survives the death of process and machine. When it
///   returns an error other than [`StoreError::OutcomeUnknown`], nothing was changed.
/// - **Atomic.** A call's changes are seen by all readers and after a crash together or not at all.
/// - **Cancelling.** A dropped future may or may not have made its change, wholly; the store stays usable.
/// - **Compare-and-set.** [`commit`](Self::commit), [`replace`](Self::replace) and [`delete`](Self::delete) succeed only if the stored life and
///   revision are still the base, and that is decided in the same step that changes them. Of two commits on one base exactly one succeeds. A commit of
///   results has equal revisions before and after, so results and edits made on the same base can both succeed.
/// - **Exact.** What is loaded is what was stored: ids, code, output data and metadata, unknown fields, order; with NUL
///   and any other character in code and output; of unknown fields only the spelling of characters beyond ASCII may
///   differ (`é` or `\u00e9`). An order key need not be the same, as long as the cells' order is. Not stored: analysis
///   beyond the names read and written, cycles. A cell that does not parse is loaded without `broken`; opening it finds
///   that again.
/// - **Missing.** [`load`](Self::load) gives `None`; changing or deleting a missing notebook is
///   [`StoreError::NotFound`].
/// - **Damage.** What cannot be read is reported as [`StoreError::Damaged`] on load, commit, create and delete, and
///   among [`Page::damaged`] on list; it is left as it is, and harms nothing else.
/// - **Answers.** The answers that come with a change are kept if it happens, and only then, by the same step. Where one is
///   kept already under the key of one of them, that step is refused as a whole with [`StoreError::AlreadyRecorded`]; of
///   two at once with one key, one is. Kept answers outlive their notebooks and the store's being closed. Losing an answer
///   at which somebody else's hands were, such as an edit of a file, is allowed; keeping one of what did not happen is not.
/// - **Order.** Lists are ordered by creation time, then id (as bytes), and complete without a limit.
/// - Many callers may use one store at once; whether several processes may is the implementation's to say and enforce.
#[async_trait]
pub trait NotebookStore: Debug + Send + Sync + 'static {
    /// Stores a new notebook, cells and results included, at the revision it has.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when there is one with this id, whoever owns it; of two calls at once exactly one
    /// succeeds. [`StoreError::AlreadyRecorded`].
    async fn create(&self, notebook: &Notebook, answer: Option<&IdempotencyRecord>) -> Result<Version, StoreError>;

    /// Loads a notebook whole.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or when the store fails.
    async fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, StoreError>;

    /// Whose a notebook is, for letting them in or not: costs the same whoever's it is, and whether it is there.
    ///
    /// # Errors
    /// As [`Self::load`].
    async fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, StoreError>;

    /// Makes changes durable together; returns the version of the new content. Repeating a commit that happened, with
    /// the same id, right after it, succeeds and changes nothing.
    ///
    /// # Errors
    /// [`StoreError::RevisionMismatch`] when what is stored is not the base, [`StoreError::NotFound`],
    /// [`StoreError::AlreadyRecorded`], [`StoreError::Full`], [`StoreError::OutcomeUnknown`], or when the store fails.
    async fn commit(&self, commit: Commit<'_>) -> Result<Version, StoreError>;

    /// Puts this notebook, cells and results included, with the life and at the revision it has, in the place of the one that
    /// is stored: for bringing notebooks back from elsewhere, where no changes are known.
    ///
    /// # Errors
    /// [`StoreError::RevisionMismatch`] when what is stored is not `base`, or, in a store that several processes may use, when
    /// the notebook's own is of the same life and not above it, so that whoever edits on `base` notices; [`StoreError::NotFound`], [`StoreError::Full`],
    /// [`StoreError::OutcomeUnknown`], or when the store fails.
    async fn replace(&self, base: Base, notebook: &Notebook) -> Result<Version, StoreError>;

    /// What is stored of these notebooks, in any order; those that are not there or damaged are left out. Costs little for notebooks
    /// that have not changed since they were created or replaced; the others are read.
    ///
    /// # Errors
    /// When the store fails.
    async fn digests(&self, ids: &[NotebookId]) -> Result<Vec<Digested>, StoreError>;

    /// The versions that are stored of these notebooks, in any order; those that are not there or damaged are left out. Reads
    /// content only where a file may have been changed by other hands, so that looking up what has changed costs little.
    ///
    /// # Errors
    /// When the store fails.
    async fn versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError>;

    /// Deletes a notebook with everything in it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there; [`StoreError::RevisionMismatch`] when what is stored is not `base`,
    /// and was left as it is; [`StoreError::AlreadyRecorded`].
    async fn delete(&self, id: &NotebookId, base: Base, answer: Option<&IdempotencyRecord>) -> Result<(), StoreError>;

    /// Keeps the answers to requests that found nothing to change, all or none.
    ///
    /// # Errors
    /// [`StoreError::AlreadyRecorded`], or when the store fails; they may be kept all the same.
    async fn keep(&self, answers: &[IdempotencyRecord]) -> Result<(), StoreError>;

    /// The answer that is kept of this user under this key. One that has expired by now is forgotten instead, and in
    /// nobody's way any more.
    ///
    /// # Errors
    /// When the store fails.
    async fn answer(
        &self,
        user: &UserId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Forgets answers that have expired by now, anybody's, and of each of these users all but the newest
    /// [`IdempotencyRecord::MAX`]. A call does no more than takes a moment, and may leave some to the next.
    ///
    /// # Errors
    /// When the store fails.
    async fn delete_old_records(&self, users: &[UserId], now: Timestamp) -> Result<(), StoreError>;

    /// Lists notebooks without reading their cells.
    ///
    /// # Errors
    /// When the store fails.
    async fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, StoreError>;

    /// Finds the owner's notebooks in whose name or code the text is, by reading them: of what a run left, nothing is looked
    /// at. In the order of lists, as many as the page asks for; all without a limit. What is damaged is left out.
    ///
    /// # Errors
    /// When the store fails.
    async fn search(&self, owner: &UserId, text: &SearchText, page: &PageRequest) -> Result<SearchPage, StoreError>;

    /// How much is kept for an owner. Looks at everything that is, so it is for asking now and then.
    ///
    /// # Errors
    /// When the store fails.
    async fn usage(&self, owner: &UserId) -> Result<Usage, StoreError>;

    /// Says how the store is; answers within a second, whatever state it is in.
    async fn health(&self) -> Health;

    /// Hints about changes by other hands, from now on. A receiver that lags must take every notebook for changed.
    fn subscribe(&self) -> broadcast::Receiver<StoreEvent>;
}
