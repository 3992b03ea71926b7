//! What a user asks for.

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
    /// Behind this cell.
    After(CellId),
}

/// One change that a user asks for; [`crate::OpenNotebook::apply`] makes a [`crate::Change`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A new cell.
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
    /// Other source for a cell. Counts as an edit even when the source is the same.
    UpdateCell {
        /// The cell.
        id: CellId,
        /// The new source.
        code: Arc<str>,
    },
    /// Another language for a cell, the source as it is.
    SetCellType {
        /// The cell.
        id: CellId,
        /// The new language.
        cell_type: CellType,
    },
    /// Another place for a cell.
    MoveCell {
        /// The cell.
        id: CellId,
        /// Its new position.
        place: Place,
    },
    /// A cell less; the last one too.
    DeleteCell {
        /// The cell.
        id: CellId,
    },
    /// Another name, as the user typed it.
    Rename {
        /// Blank means none.
        name: String,
    },
    /// Another connection string, or none.
    SetConnection {
        /// The new one.
        connection: Option<StoredConnection>,
    },
    /// Results of a run; takes no new revision.
    SetResults {
        /// The cell that ran.
        id: CellId,
        /// The results.
        results: Arc<Results>,
    },
}

/// Why an edit cannot be applied; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The notebook has no such cell.
    #[error("the notebook has no such cell; it may have been deleted")]
    CellNotFound(CellId),
    /// The notebook already has a cell with this id.
    #[error("the notebook already has a cell with this id")]
    CellExists(CellId),
    /// The notebook has had as many edits as a revision can count.
    #[error("the notebook is at the last revision there can be, {}", crate::Revision::MAX)]
    LastRevision,
    /// Beyond a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}
