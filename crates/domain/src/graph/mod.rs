//! The dependency graph: its edges are the names that cells take from other cells.
//!
//! - `index` holds the readers and writers of each name, `bindings` the rule that makes edges of them;
//! - `components` finds cycles edit by edit, with `order_list` and `search`; `cycles` describes them;
//! - `run_digests` keeps digests of what the cells' runs compute from;
//! - `subgraph` orders cells and splits components, `plan` decides the cells to run, `order` sorts them, `queries` has the other
//!   queries.
//!
//! The rules are those of marimo, Hex and Deepnote put together for a kernel with one namespace and a document order:
//!
//! - A read binds to the nearest *other* cell above that writes the name; if there is none, to the nearest below
//!   ([`GraphDiagnostic::DefinedLater`]). So cells that read and write a name (`df = df.dropna()`) form a chain.
//!   Cells that rewrite a name without a definition make no cycle.
//! - Names of built-ins make edges only from a cell above that writes them. `del` makes none.
//! - Tables of SQL cells bind upwards only.
//! - Several writers of a name are no error ([`GraphDiagnostic::MultipleDefinition`]).
//! - A cycle is a strongly connected component over eager and table edges; deferred edges alone make none.
//!
//! No algorithm here recurses, so no notebook is too deep.

mod bindings;
mod components;
mod cycles;
mod index;
mod order;
mod order_list;
mod place;
mod plan;
mod queries;
mod run_digests;
mod search;
mod subgraph;
mod types;
pub(crate) mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use run_digests::{Rebound, RunDigests};
pub use types::{Cycle, CycleUpdate, Dependency, Edge, EdgeKind, GraphDiagnostic, Plan};

use components::{Components, PlaceChange};
use index::Index;
use subgraph::Subgraph;

use crate::{Cell, CellId};

/// The dependency graph of one notebook, kept up to date edit by edit. All results depend only on the notebook, not
/// on the edits that led to it.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    index: Index,
    components: Components,
}

impl Graph {
    /// Builds the graph of these cells, which have different ids. O(n log n + e log n) for n cells with e edges.
    #[must_use]
    pub fn new<'a>(cells: impl Iterator<Item = &'a Arc<Cell>>) -> Self {
        let mut cells: Vec<_> = cells.collect();
        cells.sort_by(|a, b| (&a.order, &a.id).cmp(&(&b.order, &b.id)));
        let mut index = Index::default();
        for cell in cells {
            index.put(cell, &mut Vec::new());
        }
        let components = Components::new(&index);
        Self { index, components }
    }

    /// Updates one cell: a new one is absent before, a deleted one after. Returns the cycles that changed.
    ///
    /// Costs O(log n) for each name that came or went and each edge that this rebinds, all of the cell's own when it
    /// moved. Edges that go against the order of the graph so far cost a search in addition, and changes of a cycle's own
    /// edges and of its cells' places the size of that cycle.
    pub fn update(&mut self, before: Option<&Arc<Cell>>, after: Option<&Arc<Cell>>) -> CycleUpdate {
        self.update_and_tell(before, after, &mut Rebound::default())
    }

    /// Updates one cell as [`Self::update`] does, and adds it and the cells whose writers may be others now to `rebound`.
    pub(crate) fn update_and_tell(
        &mut self,
        before: Option<&Arc<Cell>>,
        after: Option<&Arc<Cell>>,
        rebound: &mut Rebound,
    ) -> CycleUpdate {
        if let (Some(before), Some(after)) = (before, after)
            && is_same(before, after)
        {
            return CycleUpdate::default();
        }
        let mut touched = Vec::new();
        if let Some(cell) = after {
            let place = self.index.slot(&cell.id).map(|slot| self.index.node(slot).place.clone());
            let slot = self.index.put(cell, &mut touched);
            if place.is_none() {
                self.components.add(&self.index, slot);
            }
            let stays = place.is_some_and(|place| place == self.index.node(slot).place);
            let place_change = if stays { PlaceChange::Unchanged } else { PlaceChange::Moved };
            let cycles_changed = self.components.follow(&self.index, slot, place_change, &mut touched);
            rebound.extend(&self.index, slot, &touched);
            return cycles_changed;
        }
        let Some(slot) = before.and_then(|cell| self.index.remove(&cell.id, &mut touched)) else {
            return CycleUpdate::default();
        };
        let cycles_changed = self.components.follow(&self.index, slot, PlaceChange::Deleted, &mut touched);
        rebound.extend(&self.index, slot, &touched);
        self.index.release(slot);
        cycles_changed
    }

    /// Estimates the bytes of memory that the graph takes. O(c) for c cycles.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.index.memory_bytes() + self.components.memory_bytes()
    }

    /// Iterates over the cycles, in document order of their first cells. O(c log c) for c cycles.
    pub fn cycles(&self) -> impl Iterator<Item = &Arc<Cycle>> {
        let place = |cycle: &Cycle| {
            let first = cycle.cells.first()?;
            Some(&self.index.node(self.index.slot(first)?).place)
        };
        let mut cycles: Vec<_> = self.components.cycles().collect();
        cycles.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
        cycles.into_iter()
    }

    /// Returns the cycle that a cell is on.
    #[must_use]
    pub fn cycle(&self, id: &CellId) -> Option<&Arc<Cycle>> {
        self.components.cycle(self.index.slot(id)?)
    }

    /// Returns all cells, each after all its parents. O(n log n + e log n).
    ///
    /// The cells of a cycle stand together, in document order, after all that any of them depends on. Deferred edges
    /// count too, except those from one cell to another that depends on it, in whatever way. Of the cells that could
    /// come next, the first in the document comes.
    #[must_use]
    pub fn topological_order(&self) -> Vec<CellId> {
        let all = Subgraph::of(&self.index, self.index.document().collect());
        all.topological_order().map(|cell| self.index.id(cell).clone()).collect()
    }
}

/// Returns `true` if two states of a cell are the same for the graph.
fn is_same(before: &Cell, after: &Cell) -> bool {
    before.order == after.order
        && before.cell_type == after.cell_type
        && before.broken.is_some() == after.broken.is_some()
        && (Arc::ptr_eq(&before.analysis, &after.analysis) || before.analysis == after.analysis)
}
