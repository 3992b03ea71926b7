//! Transfer of notebooks: importing them into a store, verifying the import, and exporting them again.
//!
//! - [`Import`] reads notebooks from a [`Source`] and stores them, with one call to the store for each; a dry run only
//!   reports what it would do. Both decide by the same function.
//! - [`Verify`] compares every notebook of a source completely with the stored one.
//! - [`Export`] copies notebooks from a store to a [`Target`], and returns the moment that the copy reflects.
//!
//! This crate names no store and no file format: programs choose the stores, and pass in a source and a target for each
//! format. A [`ProgressObserver`] receives one [`Line`] for each notebook, in the source's order.

mod compare;
mod connection;
mod decide;
mod error;
mod export;
mod import;
mod line;
mod pipeline;
mod source;
mod stored;
mod target;
mod verify;

pub use connection::Secrets;
pub use decide::OnConflict;
pub use error::TransferError;
pub use export::{Export, Exported};
pub use import::Import;
pub use line::{Line, Outcome, ProgressObserver, Summary};
pub use source::{Candidate, Fault, FaultKind, Found, Source};
pub use target::{StoreTarget, Target};
pub use verify::Verify;
