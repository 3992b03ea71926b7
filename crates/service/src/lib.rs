//! The use cases of notebooks: ownership, provisioning, editing, watching. The crate has no HTTP, so that other programs can
//! embed it; `examples/embed.rs` shows an example.
//!
//! [`NotebookService`] is the whole interface. Each active notebook has one writer task with a queue, which is the only
//! place where the notebook changes; readers share the state that it has published. Use cases that change something take a
//! [`RequestContext`], which may be a user alone; [`NotebookService::idempotent`] is for requests that may be sent again.

mod analyser;
mod changing;
mod clock;
mod command;
mod conflict;
mod connection;
mod context;
mod deleting;
mod duplicate;
mod error;
mod event;
mod event_buffer;
mod eviction;
mod following;
mod idempotency;
mod ids;
mod import_export;
mod in_flight;
mod interrupted;
mod listing;
mod lookups;
mod memory;
mod opening;
mod options;
mod pin;
mod probe;
mod provision;
mod published;
mod quota;
mod reading;
mod recovery;
mod registry;
mod run;
mod running;
mod schedule;
mod service;
mod sorted;
mod subscription;
mod work;
mod writer;

pub use changing::{Created, Edited};
pub use clock::{Clock, SystemClock};
pub use conflict::{ChangedCell, ChangedSince, Expected, KnownState};
pub use duplicate::Duplicated;
pub use error::ServiceError;
pub use event::{Event, EventKind, InvalidSeq, RunUpdate, RunUpdateKind, Seq, Told};
pub use idempotency::{IdempotentOutcome, RequestContext, RequestKey};
pub use ids::{IdSource, RandomIds};
pub use import_export::{ImportFile, ImportedNotebook};
pub use options::Options;
pub use pin::PinnedMemory;
pub use published::{AccountedGraph, Published};
pub use quota::Quota;
pub use reading::NotebookView;
pub use run::{KernelState, KernelStatus, Run, RunningCell};
pub use schedule::{CellEnd, RunRecord, Target};
pub use service::NotebookService;
pub use sorted::{InvalidSort, Sort, SortBy, SortCursor, SortedPage};
pub use subscription::Subscription;
pub use work::{Budget, Budgets, Kind as WorkKind};
