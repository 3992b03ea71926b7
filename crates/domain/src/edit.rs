//! Edits of a notebook.

use std::sync::Arc;

use crate::limits::Invalid;
use crate::{CellId, CellType, Results, StoredConnection};

/// Position to put a cell at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before all others.
    Start,
    /// After all others.
    End,
    /// After this cell.
    After(CellId),
}

/// An edit that a user asks for. [`crate::OpenNotebook::apply`] makes a [`crate::Change`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Inserts a cell.
    InsertCell {
        /// The new cell's id, chosen by the caller so that the domain needs no source of randomness.
        id: CellId,
        /// Its language.
        cell_type: CellType,
        /// Its source.
        code: Arc<str>,
        /// Its new position.
        place: Place,
    },
    /// Replaces a cell's source. It counts as an edit even if the source is the same.
    UpdateCell {
        /// The cell.
        id: CellId,
        /// The new source.
        code: Arc<str>,
    },
    /// Changes a cell's language, and keeps its source.
    SetCellType {
        /// The cell.
        id: CellId,
        /// The new language.
        cell_type: CellType,
    },
    /// Moves a cell.
    MoveCell {
        /// The cell.
        id: CellId,
        /// Its new position.
        place: Place,
    },
    /// Deletes a cell, which may be the last one.
    DeleteCell {
        /// The cell.
        id: CellId,
    },
    /// Renames the notebook.
    Rename {
        /// The new name as the user typed it; a blank one is none.
        name: String,
    },
    /// Sets or removes the connection string.
    SetConnection {
        /// The new connection string.
        connection: Option<StoredConnection>,
    },
    /// Sets whether a run of a cell also runs the cells that depend on it.
    SetReactive {
        /// The new value of [`crate::Notebook::reactive`].
        reactive: bool,
    },
    /// Sets the results of a run, without a new revision.
    SetResults {
        /// The cell that ran.
        id: CellId,
        /// The results.
        results: Arc<Results>,
    },
}

/// The reason why an edit cannot be applied; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The notebook has no such cell.
    #[error("the notebook has no such cell; it may have been deleted")]
    CellNotFound(CellId),
    /// The notebook already has a cell with this id.
    #[error("the notebook already has a cell with this id")]
    CellExists(CellId),
    /// The notebook has the last possible revision.
    #[error("the notebook is at the last revision there can be, {}", crate::Revision::MAX)]
    LastRevision,
    /// The edit exceeds a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}
