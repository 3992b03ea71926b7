//! The use cases of notebooks: ownership, provisioning, editing, watching. No HTTP in it, so that other programs can
//! embed it; `examples/embed.rs` shows how.
//!
//! [`NotebookService`] is the whole interface. Each active notebook has one writer task with a queue, which is the only
//! place where the notebook changes; readers share what it has published.

mod analyser;
mod clock;
mod conflict;
mod connection;
mod duplicate;
mod error;
mod event;
mod exchange;
mod group;
mod options;
mod provision;
mod recent;
mod registry;
mod service;
mod sorted;
mod writer;

pub use clock::{Clock, SystemClock};
pub use conflict::{ChangedCell, ChangedSince, Expected};
pub use duplicate::Duplicated;
pub use error::ServiceError;
pub use event::{Event, EventKind, InvalidSeq, Published, Seq, Watch};
pub use exchange::{ImportFile, ImportedNotebook};
pub use options::Options;
pub use service::{Created, Edited, NotebookService};
pub use sorted::{InvalidSort, Sort, SortBy, SortCursor, SortedPage};
