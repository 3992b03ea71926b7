//! What the graph answers with.

use std::fmt;

use std::sync::Arc;

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

/// All that one cell takes from another in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency<'a> {
    /// The cell that writes the names.
    pub parent: &'a CellId,
    /// The cell that reads them.
    pub child: &'a CellId,
    /// Whether the parent stands below the child.
    pub is_below: bool,
    /// In which way.
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

/// The cycles that an update of the graph made different. A cycle that is as it was is in neither list.
#[derive(Clone, Debug, Default)]
pub struct CycleUpdate {
    /// Cycles that are no more, or not as they were.
    pub removed: Vec<Arc<Cycle>>,
    /// Cycles that were not there, or not as they are.
    pub added: Vec<Arc<Cycle>>,
}

impl CycleUpdate {
    /// Returns true when all cycles are as they were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// Maximum steps of a cycle that its text shows. Every cell of the cycle carries the text, so that one of thousands of
/// cells would otherwise make millions of steps.
const MAX_SHOWN_STEPS: usize = 20;
/// Maximum characters of an id or a name that the text of a cycle shows: a name can be as long as a cell's source.
const MAX_SHOWN_CHARS: usize = 40;
/// Bytes of text after which no more steps are shown: those of twenty ordinary steps.
const MAX_SHOWN_BYTES: usize = 1_024;

/// A text, cut where it is longer than [`MAX_SHOWN_CHARS`].
struct Short<'a>(&'a str);

impl Short<'_> {
    /// Returns the part that is shown, and whether that is not all.
    fn parts(&self) -> (&str, &'static str) {
        match self.0.char_indices().nth(MAX_SHOWN_CHARS) {
            Some((end, _)) => (&self.0[..end], "…"),
            None => (self.0, ""),
        }
    }
}

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.parts();
        write!(f, "{shown}{rest}")
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Circular dependency: ")?;
        let mut bytes = 0;
        let shown = self.path.iter().take(MAX_SHOWN_STEPS).take_while(|(cell, name)| {
            let is_shown = bytes < MAX_SHOWN_BYTES;
            bytes += Short(cell.as_str()).parts().0.len() + Short(name).parts().0.len();
            is_shown
        });
        let mut steps = 0;
        for (cell, name) in shown {
            steps += 1;
            write!(f, "{} → {} → ", Short(cell.as_str()), Short(name))?;
        }
        if let Some(more @ 1..) = self.path.len().checked_sub(steps) {
            write!(f, "… ({more} more) → ")?;
        }
        match self.path.first() {
            Some((first, _)) => write!(f, "{}", Short(first.as_str())),
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

    #[test]
    fn a_cycle_of_long_names_has_a_short_text() {
        let path: Vec<_> = (0..20).map(|n| (CellId::new(format!("c{n}")).unwrap(), "😀".repeat(60_000))).collect();
        let text = Cycle { cells: Vec::new(), path }.to_string();
        assert!(text.len() < 2 * MAX_SHOWN_BYTES, "{} bytes", text.len());
        assert!(text.starts_with(&format!("Circular dependency: c0 → {}… → c1 → ", "😀".repeat(40))), "{text}");
        assert!(text.ends_with("… → … (13 more) → c0"), "{text}");
    }
}
