//! Where notebooks are kept: the trait, its errors, and the suite that every implementation passes.
//!
//! # Adding a stored field
//!
//! 1. Give it a place in `quire-domain` (`Notebook`, `Cell` or `Results`), and in `Change` if an edit can change it.
//! 2. Write it and read it in every store: files in `quire-storage-json` (absent in older files: give it a default).
//! 3. Add it to the notebooks that [`conformance`] stores and compares; a store that forgets it then fails.
//!
//! # Features
//!
//! - `conformance`: the module of that name, for the tests of implementations.

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod error_chain;
mod ext;
mod idempotency;
mod list;
mod search;
mod store;
mod users;

pub use error::StoreError;
pub use error_chain::error_chain;
pub use ext::NotebookStoreExt;
pub use idempotency::{IdempotencyKey, IdempotencyRecord, RequestDigest};
pub use list::{Cursor, Damaged, InvalidCursor, ListFilter, Page, PageRequest, Summary};
pub use search::{CellHit, Hit, InvalidSearch, SearchPage, SearchText};
pub use store::{
    Commit, CommitId, DatabaseState, Digested, Health, Loaded, NotebookStore, StoreEvent, StoredVersion, Usage, Version,
};
pub use users::{KnownUser, UserDirectory};
