//! The notebook store: its trait, its errors, wrappers around it, and the suite that every implementation passes.
//!
//! [`NotebookStore`] is made of three parts, and its documentation is their contract: [`NotebookRepository`] reads and changes
//! notebooks, [`IdempotencyRepository`] stores the outcomes of requests, and [`NotebookQueries`] has lists, searches and counts.
//!
//! # Adding a stored field
//!
//! 1. Give it a place in `quire-domain` (`Notebook`, `Cell` or `Results`), and in `Change` if an edit can change it.
//! 2. Write it and read it in every store: files in `quire-storage-json` (absent in older files: give it a default).
//! 3. Add it to the notebooks that [`conformance`] stores and compares; a store that forgets it then fails.
//!
//! # Features
//!
//! - `conformance`: the module of that name, and the wrapper `Faulty`, for tests.

mod call;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod error_chain;
mod ext;
#[cfg(feature = "conformance")]
mod faulty;
#[doc(hidden)]
pub mod forward;
mod idempotency;
mod kernels;
mod list;
mod nonce;
mod queries;
mod repository;
mod search;
mod store;
mod traced;
mod users;

pub use call::Call;
pub use error::StoreError;
pub use error_chain::error_chain;
pub use ext::NotebookStoreExt;
#[cfg(feature = "conformance")]
pub use faulty::{Faults, Faulty};
pub use idempotency::{IdempotencyKey, IdempotencyRecord, IdempotencyRepository, RecordLookup, RequestDigest};
pub use kernels::{Held, KernelLeases};
pub use list::{Cursor, Damaged, InvalidCursor, ListFilter, Page, PageRequest, Summary};
pub use nonce::random_nonce;
pub use queries::{DatabaseState, Health, NotebookQueries, StoreEvent, StoredDigest, StoredVersion, Usage};
pub use repository::{Commit, CommitId, Committed, Delete, Loaded, NotebookRepository, Version};
pub use search::{CellHit, Hit, InvalidSearch, SearchPage, SearchRequest, SearchText};
pub use store::NotebookStore;
pub use traced::Traced;
/// The version that [`store_spans!`] names.
#[doc(hidden)]
pub use tracing;
pub use users::{KnownUser, UserDirectory};

/// The traits of a store, for calling one whose type is known.
pub mod prelude {
    pub use crate::{IdempotencyRepository as _, NotebookQueries as _, NotebookRepository as _, NotebookStoreExt as _};
}
