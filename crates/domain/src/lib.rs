//! Notebooks, cells, edits and the dependency graph: every rule that needs no I/O, no clock and no runtime.
//!
//! - [`Notebook`] is plain data that clones cheaply; readers share it behind an `Arc`.
//! - [`OpenNotebook`] is a notebook with its [`Graph`], held by its one writer: it turns an [`Edit`] into a [`Change`].
//! - [`Change`] says exactly what is different, before and after, so that it can be stored, told and undone.

mod apply;
mod cell;
mod cells;
mod change;
mod connection;
mod cycle_texts;
mod diff;
mod digest;
mod edit;
mod graph;
mod ids;
mod json;
mod life;
pub mod limits;
mod mask;
pub mod mime;
mod notebook;
mod open;
mod order;
mod run_digest;
mod sealing;
mod size;
mod terminal;
mod unmask;

pub use cell::{Cell, CellStatus, Output, Results};
pub use cells::Cells;
pub use change::{CellChange, Change, CycleChange, Replaced, StaleChange};
pub use connection::{ConnectionString, StoredConnection};
pub use cycle_texts::CycleTexts;
pub use digest::ContentDigest;
pub use edit::{Edit, EditError, Place};
pub use graph::{Cycle, CycleUpdate, Dependency, Edge, EdgeKind, Graph, GraphDiagnostic, Plan};
pub use ids::{CellId, InvalidId, NotebookId, UserId};
pub use json::{Extra, Json, JsonError};
pub use life::{InvalidLife, Life};
pub use mask::ShownConnection;
pub use notebook::{Base, Notebook, Revision, Timestamp};
pub use open::OpenNotebook;
pub use order::{InvalidOrderKey, OrderKey};
pub use quire_analysis::{Analysis, CellType, Diagnostic, Read, Severity, analyse};
pub use run_digest::{InvalidRunDigest, RunDigest};
pub use sealing::{CannotOpen, InvalidKey, Nonce, SecretKey, SecretKeys};
pub use size::NotebookSize;
pub use terminal::without_colours;
