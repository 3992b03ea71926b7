//! Transfer of notebooks: importing them into a store, verifying the import, and exporting them again.
//!
//! - [`Import`] reads notebooks from a [`Source`] and stores them, with one call to the store for each; a dry run only
//!   reports what it would do. Both decide by the same function.
//! - [`Verify`] compares every notebook of a source completely with the stored one.
//! - [`Export`] copies notebooks from a store to a [`Target`], and returns the moment that the copy reflects.
//!
//! This crate names no store and no file format: programs choose the stores, and pass in a source and a target for each
//! format. A [`ProgressObserver`] receives one [`Line`] for each notebook, in the source's order.
//!
//! ```
//! use std::io;
//! use std::sync::Arc;
//!
//! use quire_domain::{Life, Notebook, NotebookId, Timestamp, UserId};
//! use quire_storage_json::{JsonNotebookStore, Options};
//! use quire_transfer::{Candidate, Fault, Found, Import, Line, OnConflict, Outcome, ProgressObserver, Source};
//!
//! #[derive(Debug)]
//! struct Single(Notebook);
//!
//! impl Source for Single {
//!     fn candidates(&self) -> Result<Vec<Candidate>, String> {
//!         Ok(vec![Candidate { file: "single".to_owned(), id: Some(self.0.id.clone()), fault: None }])
//!     }
//!
//!     fn read(&self, _: &Candidate) -> Result<Found, Fault> {
//!         Ok(Found { notebook: self.0.clone(), notice: None })
//!     }
//!
//!     fn is_whole(&self) -> bool {
//!         true
//!     }
//! }
//!
//! struct Silent;
//!
//! impl ProgressObserver for Silent {
//!     fn begin(&mut self, _: usize) {}
//!
//!     fn line(&mut self, _: &Line) -> io::Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! let folder = tempfile::tempdir()?;
//! let (id, owner) = (NotebookId::new("demo")?, UserId::new("ann")?);
//! let notebook = Notebook::new(id, Life::UNRECORDED, owner, Timestamp::UNIX_EPOCH);
//! let import = Import {
//!     store: Arc::new(JsonNotebookStore::open(folder.path(), Options::default())?),
//!     source: Arc::new(Single(notebook)),
//!     keys: None,
//!     on_conflict: OnConflict::Skip,
//!     dry_run: false,
//!     jobs: 1,
//! };
//! let summary = tokio::runtime::Runtime::new()?.block_on(import.run(&mut Silent))?;
//! assert_eq!(summary.count(Outcome::Imported), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

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
