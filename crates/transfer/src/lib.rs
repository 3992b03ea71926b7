//! Moving notebooks: importing them into a store, proving that nothing is missing there, and exporting them again.
//!
//! - [`Import`] reads notebooks from a [`Source`] and stores them, one call to the store for each; or, as a dry run, says
//!   what it would do. Both decide by the same function.
//! - [`Verify`] compares every notebook of a source completely with the one that is stored.
//! - [`Export`] copies notebooks from a store to a [`Target`], and says the moment that the copy reflects.
//!
//! No store and no file format is named here: programs choose the stores, and hand in a source and a target for each format. What
//! happens to each notebook is told to a [`ProgressObserver`], one [`Line`] each, in the source's order.

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
