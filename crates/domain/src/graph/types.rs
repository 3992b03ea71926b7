//! Results of the graph's queries.

use std::sync::Arc;

use crate::CellId;

/// Kind of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// The child loads the name while it runs itself.
    Eager,
    /// The child loads the name only when one of its functions is called or inspected.
    Deferred,
    /// The child's SQL reads the table that the parent's SQL writes.
    Table,
}

/// One dependency: `child` takes `name` from `parent`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The cell that writes the name.
    pub parent: CellId,
    /// The cell that reads it.
    pub child: CellId,
    /// The name, or the table as `schema.table`.
    pub name: String,
    /// Kind of the dependency.
    pub kind: EdgeKind,
}

/// The names that one cell takes from another in one kind of dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency<'a> {
    /// The cell that writes the names.
    pub parent: &'a CellId,
    /// The cell that reads them.
    pub child: &'a CellId,
    /// Set when the parent stands below the child.
    pub is_below: bool,
    /// Kind of the dependency.
    pub kind: EdgeKind,
    /// The names, sorted; one at least.
    pub names: Vec<&'a str>,
}

/// Cells that need each other, so that none of them can run first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// All cells of the component, in document order.
    pub cells: Vec<CellId>,
    /// One way around: each cell with the name that the next takes from it; the next of the last is the first.
    pub path: Vec<(CellId, String)>,
}

/// The cycles that an update of the graph changed. A cycle that stayed the same is in neither list.
#[derive(Clone, Debug, Default)]
pub struct CycleUpdate {
    /// Cycles that no longer exist, or have changed.
    pub removed: Vec<Arc<Cycle>>,
    /// Cycles that are new, or have changed.
    pub added: Vec<Arc<Cycle>>,
}

impl CycleUpdate {
    /// Returns `true` if no cycle changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// A note on the bindings of a cell; never an error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GraphDiagnostic {
    /// The name is written only further down.
    DefinedLater {
        /// The name.
        name: String,
        /// The nearest cell below that writes it.
        writer: CellId,
    },
    /// Other cells write the name too.
    MultipleDefinition {
        /// The name.
        name: String,
        /// The other writers, in document order.
        others: Vec<CellId>,
    },
}

/// Plan of a run of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The cells to run, each after those of them that it depends on.
    pub run: Vec<CellId>,
    /// The cells that cannot run because they are on a cycle or depend on one, in document order.
    pub cyclic: Vec<CellId>,
    /// The cells that would have to run but only turn stale: SQL that changes data and was not asked for itself, and its
    /// descendants; in document order.
    pub stale: Vec<CellId>,
}
