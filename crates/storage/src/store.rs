//! The store trait: its documentation is the contract, and `conformance` tests it.

use crate::{IdempotencyRepository, NotebookQueries, NotebookRepository};

/// A store of notebooks: everything that implements its three parts.
///
/// # Contract
///
/// - **Durable.** When a changing call returns `Ok`, the change survives the death of process and machine. When it
///   returns an error other than [`OutcomeUnknown`], nothing was changed; records alone may be stored all the same.
/// - **Atomic.** A call's changes are seen by all readers and after a crash together or not at all.
/// - **Cancelling.** A dropped future may or may not have made its change, wholly; the store stays usable.
/// - **Compare-and-set.** [`commit`], [`replace`] and [`delete`] succeed only if the stored life and revision are still the
///   base, and that is decided in the same step that changes them. Of two commits on one base exactly one succeeds. A commit
///   of results has equal revisions before and after, so results and edits made on the same base can both succeed.
/// - **Exact.** What is loaded is what was stored: ids, code, output data and metadata, unknown fields, order; with NUL
///   and any other character in code and output; of unknown fields only the spelling of characters beyond ASCII may
///   differ (`é` or `\u00e9`). An order key need not be the same, as long as the cells' order is. Not stored: analysis
///   beyond the names read and written, cycles. A cell that does not parse is loaded without `broken`; opening it finds
///   that again.
/// - **Missing.** [`load`] returns `None`; changing or deleting a missing notebook is [`NotFound`].
/// - **Damage.** What cannot be read is reported as [`Damaged`] on load, owner, commit, create and delete, and among
///   [`Page::damaged`](crate::Page::damaged) on list; it is left as it is, and harms nothing else.
/// - **Idempotency records.** The records that come with a change are stored if it happens, and only then, by the same step.
///   Where a record with the user and key of one of them is stored already, that step is refused as a whole with
///   [`AlreadyRecorded`]; of two concurrent changes with one key, one happens. Records outlive their notebooks and the store's
///   being closed. A store may lose a record when other programs interfere, for example by editing a file; it never stores
///   the record of a change that did not happen.
/// - **Order.** Lists are ordered by creation time, then id (as bytes), and complete without a limit.
/// - **Concurrency.** Any number of tasks may call one store at once. Each implementation says, and enforces, whether several
///   processes may.
/// - **Wrappers.** A store around another one keeps this contract too: [`forward!`](crate::forward) passes calls on.
///
/// [`commit`]: NotebookRepository::commit
/// [`replace`]: NotebookRepository::replace
/// [`delete`]: NotebookRepository::delete
/// [`load`]: NotebookRepository::load
/// [`OutcomeUnknown`]: crate::StoreError::OutcomeUnknown
/// [`NotFound`]: crate::StoreError::NotFound
/// [`Damaged`]: crate::StoreError::Damaged
/// [`AlreadyRecorded`]: crate::StoreError::AlreadyRecorded
pub trait NotebookStore: NotebookRepository + IdempotencyRepository + NotebookQueries {}

impl<S: NotebookRepository + IdempotencyRepository + NotebookQueries> NotebookStore for S {}
