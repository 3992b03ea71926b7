//! The dependency graph: which cell takes which name from which other cell.

mod types;

use std::sync::Arc;

pub use types::{Cycle, Edge, EdgeKind, GraphDiagnostic, Plan};

use crate::Cell;

/// The dependency graph of one notebook, kept up to date edit by edit.
#[derive(Clone, Debug, Default)]
pub struct Graph {}

impl Graph {
    /// Builds the graph of these cells.
    #[must_use]
    pub fn new<'a>(_cells: impl Iterator<Item = &'a Arc<Cell>>) -> Self {
        Self {}
    }

    /// Takes one cell as it was and as it is: absent before is new, absent after is deleted. Returns whether
    /// [`Self::cycles`] may be different now.
    pub fn update(&mut self, _before: Option<&Arc<Cell>>, _after: Option<&Arc<Cell>>) -> bool {
        false
    }

    /// The cycles, in document order of their first cells.
    pub fn cycles(&self) -> impl Iterator<Item = &Arc<Cycle>> {
        std::iter::empty()
    }
}
