//! The use cases of notebooks: ownership, provisioning, editing, watching. No HTTP in it, so that other programs can
//! embed it; `examples/embed.rs` shows how.
//!
//! [`NotebookService`] is the whole interface. Each active notebook has one writer task with a queue, which is the only
//! place where the notebook changes; readers share what it has published. [`NotebookService::idempotent`] is for requests that
//! may be sent again.

mod analyser;
mod changing;
mod clock;
mod command;
mod conflict;
mod connection;
mod duplicate;
mod error;
mod event;
mod event_buffer;
mod eviction;
mod group;
mod idempotency;
mod import_export;
mod memory;
mod options;
mod pin;
mod provision;
mod quota;
mod reading;
mod registry;
mod service;
mod sorted;
mod work;
mod writer;

pub use changing::{Created, Edited};
pub use clock::{Clock, SystemClock};
pub use conflict::{ChangedCell, ChangedSince, Expected, KnownState};
pub use duplicate::Duplicated;
pub use error::ServiceError;
pub use event::{AccountedGraph, Event, EventKind, InvalidSeq, Published, Seq, Watch};
pub use idempotency::{IdempotentOutcome, RequestKey};
pub use import_export::{ImportFile, ImportedNotebook};
pub use options::Options;
pub use pin::PinnedMemory;
pub use quota::Quota;
pub use service::NotebookService;
pub use sorted::{InvalidSort, Sort, SortBy, SortCursor, SortedPage};
pub use work::{Budget, Budgets, Kind as WorkKind};
