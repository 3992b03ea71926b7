//! What the graph answers with.

use std::fmt;

use crate::CellId;

/// Why a cell depends on another.
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
    /// In which way.
    pub kind: EdgeKind,
}

/// Cells that need each other, so that none of them can run first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// All cells of the component, in document order.
    pub cells: Vec<CellId>,
    /// One way around: each cell with the name that the next takes from it; the next of the last is the first.
    pub path: Vec<(CellId, String)>,
}

/// Steps of a cycle that its text shows. Every cell of the cycle carries the text, so that one of thousands of cells would
/// otherwise make millions of steps.
const SHOWN_STEPS: usize = 20;

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Circular dependency: ")?;
        for (cell, name) in self.path.iter().take(SHOWN_STEPS) {
            write!(f, "{cell} → {name} → ")?;
        }
        if let Some(more @ 1..) = self.path.len().checked_sub(SHOWN_STEPS) {
            write!(f, "… ({more} more) → ")?;
        }
        match self.path.first() {
            Some((first, _)) => write!(f, "{first}"),
            None => Ok(()),
        }
    }
}

/// Something worth knowing about how a cell is bound; never an error.
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

/// What happens when cells are asked to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The cells to run, each after those of them that it depends on.
    pub run: Vec<CellId>,
    /// The cells that cannot run because they are on a cycle or depend on one, in document order.
    pub cyclic: Vec<CellId>,
    /// The cells that would have to run but only turn stale: SQL that changes data and was not named itself, and what
    /// hangs on it; in document order.
    pub stale: Vec<CellId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cycle_has_a_short_text() {
        let path: Vec<_> = (0..10_000).map(|n| (CellId::new(format!("c{n}")).unwrap(), format!("x{n}"))).collect();
        let text = Cycle { cells: Vec::new(), path }.to_string();
        assert!(text.starts_with("Circular dependency: c0 → x0 → c1 → "), "{text}");
        assert!(text.ends_with(" → c19 → x19 → … (9980 more) → c0"), "{text}");
    }
}
