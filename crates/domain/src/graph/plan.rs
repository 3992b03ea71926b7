//! The plan of a run.

use std::collections::HashSet;

use super::Graph;
use super::bindings::Binding;
use super::index::Slot;
use super::subgraph::Subgraph;
use super::types::Plan;
use crate::CellId;

impl Graph {
    /// Plans a run of these cells: they run, and after them all cells that depend on them, over edges of every kind. Unknown ids are
    /// ignored.
    ///
    /// - A broken cell is to run, which reports its error, but nothing comes into the plan through it.
    /// - Cells on cycles, and what depends on them in the plan, do not run: [`Plan::cyclic`].
    /// - SQL that changes data runs only when asked for itself; it and what depends on it in the plan do not run, unless
    ///   asked for: [`Plan::stale`]. A cell that would be both is cyclic.
    ///
    /// The same notebook always gives the same plan. O(k log k + e log n) for the k cells of the plan and their e
    /// edges, however large the notebook is.
    #[must_use]
    pub fn plan(&self, asked: &[CellId]) -> Plan {
        let asked: HashSet<Slot> = asked.iter().filter_map(|id| self.index.slot(id)).collect();
        let all = self.closure(asked.iter().copied(), |cell| !self.index.node(cell).broken, |_| true);

        let on_cycle = all.iter().copied().filter(|&cell| self.components.cycle(cell).is_some());
        let cyclic = self.closure(on_cycle, |_| true, |cell| all.contains(&cell));

        let runnable = |cell: Slot| all.contains(&cell) && !cyclic.contains(&cell);
        let unasked_change = |cell: &Slot| self.index.node(*cell).changes_data && !asked.contains(cell);
        let changing = all.iter().copied().filter(|&cell| runnable(cell)).filter(unasked_change);
        let mut stale = self.closure(changing, |_| true, runnable);
        stale.retain(|cell| !asked.contains(cell));

        let run = all.iter().copied().filter(|&cell| runnable(cell) && !stale.contains(&cell));
        let run = Subgraph::of(&self.index, run.collect());
        Plan {
            run: run.topological_order().map(|cell| self.index.id(cell).clone()).collect(),
            cyclic: self.in_document_order(cyclic),
            stale: self.in_document_order(stale),
        }
    }

    /// Returns these cells and all their descendants that are `within`, without those beyond cells that do not `expand`.
    fn closure(
        &self,
        from: impl Iterator<Item = Slot>,
        expand: impl Fn(Slot) -> bool,
        within: impl Fn(Slot) -> bool,
    ) -> HashSet<Slot> {
        let mut seen: HashSet<Slot> = from.collect();
        let mut waiting: Vec<Slot> = seen.iter().copied().collect();
        while let Some(cell) = waiting.pop() {
            if !expand(cell) {
                continue;
            }
            for Binding { cell: child, .. } in self.index.children(cell) {
                if within(child) && seen.insert(child) {
                    waiting.push(child);
                }
            }
        }
        seen
    }
}
