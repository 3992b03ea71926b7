//! Orders and groups of cells, for a caller that runs them.

use std::collections::{HashMap, HashSet};

use super::Graph;
use super::subgraph::Subgraph;
use crate::CellId;

impl Graph {
    /// Returns these cells without repetitions and unknown ones, in the order of [`Graph::plan`]: each after those of them that it
    /// depends on directly, those on one cycle together. O(k log k + e log n) for k cells with e edges.
    #[must_use]
    pub fn in_topological_order<'a>(&self, cells: impl IntoIterator<Item = &'a CellId>) -> Vec<CellId> {
        let slots: HashSet<_> = cells.into_iter().filter_map(|id| self.index.slot(id)).collect();
        let cells = Subgraph::of(&self.index, slots.into_iter().collect());
        cells.topological_order().map(|cell| self.index.id(cell).clone()).collect()
    }

    /// Returns the cells that depend on each other over edges of every kind, deferred ones too, each with the number of its group.
    /// Cells that no other depends on and depends on in turn are not among them. O(n log n + e log n).
    #[must_use]
    pub fn dependency_groups(&self) -> HashMap<CellId, usize> {
        let all = Subgraph::of(&self.index, self.index.document().collect());
        let (groups, _) = all.ranks();
        let mut sizes = vec![0_usize; groups.len()];
        for &group in &groups {
            sizes[group] += 1;
        }
        let grouped = groups.iter().zip(&all.slots).filter(|(group, _)| sizes[**group] > 1);
        grouped.map(|(&group, &slot)| (self.index.id(slot).clone(), group)).collect()
    }
}
