//! The change that an edit makes: the one type that travels to the disk and to every watcher.

use std::sync::Arc;

use crate::{Cell, CellId, Cycle, Revision, StoredConnection, Timestamp};

/// A value before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced<T> {
    /// The value before.
    pub before: T,
    /// The value after.
    pub after: T,
}

impl<T: Clone> Replaced<T> {
    fn inverse(&self) -> Self {
        Self { before: self.after.clone(), after: self.before.clone() }
    }
}

/// A cell before and after a change. A new cell is absent before, a deleted one after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellChange {
    /// The cell.
    pub id: CellId,
    /// The cell before.
    pub before: Option<Arc<Cell>>,
    /// The cell after.
    pub after: Option<Arc<Cell>>,
    /// Set when it has another place among the cells that were there before and still are.
    pub moved: bool,
    /// Its index among all cells after the whole change.
    pub index: Option<usize>,
}

impl CellChange {
    /// Returns `true` if both states share type and code, as after a move or a run.
    pub(crate) fn keeps_code(&self) -> bool {
        let states = self.before.as_ref().zip(self.after.as_ref());
        states.is_some_and(|(before, after)| {
            before.cell_type == after.cell_type && Arc::ptr_eq(&before.code, &after.code)
        })
    }

    fn inverse(&self) -> Self {
        Self {
            id: self.id.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
            moved: self.moved,
            index: None,
        }
    }
}

/// A cell that came onto a cycle, went off one, or is on another one now. Derived, never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleChange {
    /// The cell.
    pub id: CellId,
    /// The cycle it is on now.
    pub cycle: Option<Arc<Cycle>>,
}

/// A cell that was there before and after a change, and turned stale by it or is no longer stale. Derived, never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleChange {
    /// The cell.
    pub id: CellId,
    /// The value of [`Cell::is_stale`] after the change.
    pub is_stale: bool,
}

/// The exact difference that an edit makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The notebook's revision; equal before and after when only results changed.
    pub revision: Replaced<Revision>,
    /// The time of the last edit.
    pub updated_at: Replaced<Timestamp>,
    /// The name, if it changed.
    pub name: Option<Replaced<Option<Arc<str>>>>,
    /// The connection string, if it changed.
    pub connection: Option<Replaced<Option<StoredConnection>>>,
    /// Whether runs go on to the cells that depend on what ran, if that changed.
    pub reactive: Option<Replaced<bool>>,
    /// The cells that changed: nearly always one. More when equal order keys had to be replaced.
    pub cells: Vec<CellChange>,
    /// Cycles that came or went.
    pub cycles: Vec<CycleChange>,
    /// Cells that turned stale or are no longer stale, by id.
    pub stale: Vec<StaleChange>,
    /// Number of cells that were there before and have another run digest now.
    pub run_digests_changed: usize,
}

impl Change {
    /// Returns `true` if only a run's results changed.
    #[must_use]
    pub fn is_results(&self) -> bool {
        self.revision.before == self.revision.after
    }

    /// Returns the change that takes this one back.
    pub(crate) fn inverse(&self) -> Self {
        Self {
            revision: self.revision.inverse(),
            updated_at: self.updated_at.inverse(),
            name: self.name.as_ref().map(Replaced::inverse),
            connection: self.connection.as_ref().map(Replaced::inverse),
            reactive: self.reactive.as_ref().map(Replaced::inverse),
            cells: self.cells.iter().rev().map(CellChange::inverse).collect(),
            cycles: Vec::new(),
            stale: Vec::new(),
            run_digests_changed: 0,
        }
    }
}
