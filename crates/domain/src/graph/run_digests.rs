//! The run digests of all cells, kept up to date edit by edit.
//!
//! A cell's digest is made of its writers' digests, so an edit gives another one to all cells that depend on what it changed. They
//! are found over edges of every kind and visited in topological order. Where dependencies go round, whether over eager edges or
//! only because functions call each other, no order serves: the edges that go round count by a digest of the whole
//! group, which is made of the members' code and of what the members take from outside. A group that a change touches lies
//! among the cells that depend on that change as a whole, so that no groups need be remembered.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Graph;
use super::bindings::Binding;
use super::index::{Index, Slot, Touched};
use super::subgraph::Subgraph;
use crate::run_digest::{Input, RunDigest};
use crate::{Cell, CellId};

/// The run digests of a graph's cells.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunDigests {
    /// The digests of each slot.
    of: Vec<Digests>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Digests {
    /// Digest of the cell's type and code.
    content: RunDigest,
    run: RunDigest,
}

/// Cells whose writers may be others now.
#[derive(Debug, Default)]
pub(crate) struct Rebound(Vec<Slot>);

impl Rebound {
    /// Adds a cell that changed for the graph, and the readers that this touched.
    pub(super) fn extend(&mut self, index: &Index, slot: Slot, touched: &Touched) {
        self.0.push(slot);
        // The first writer of a name is touched too, and nearly never reads it.
        let reads = touched.iter().filter(|(name, reader)| index.node(*reader).reads.contains_key(name));
        self.0.extend(reads.map(|(_, reader)| *reader));
    }
}

impl RunDigests {
    /// Makes the digests of all cells of a graph.
    pub(crate) fn new<'a>(graph: &Graph, cells: impl Iterator<Item = &'a Arc<Cell>>) -> Self {
        let mut digests = Self::default();
        let slots = cells.filter_map(|cell| digests.set_content(&graph.index, cell)).collect();
        digests.renew(&graph.index, slots);
        digests
    }

    /// Returns the digest of a cell.
    pub(crate) fn get(&self, graph: &Graph, id: &CellId) -> Option<RunDigest> {
        Some(self.of.get(graph.index.slot(id)?)?.run)
    }

    /// Updates the digests after changes of the graph: `changed` are the cells after them, and `rebound` is what the graph has told.
    /// Returns the cells that have another digest than before, each with the new one.
    ///
    /// O(k log k + e log n) for the k cells that depend on the changes and their e edges.
    pub(crate) fn update<'a>(
        &mut self,
        graph: &Graph,
        changed: impl Iterator<Item = &'a Arc<Cell>>,
        Rebound(mut seeds): Rebound,
    ) -> Vec<(CellId, RunDigest)> {
        let index = &graph.index;
        seeds.extend(changed.filter_map(|cell| self.set_content(index, cell)));
        seeds.retain(|&slot| index.slot(index.id(slot)) == Some(slot));
        let changed = self.renew(index, dependents(index, seeds));
        changed.into_iter().map(|slot| (index.id(slot).clone(), self.of[slot].run)).collect()
    }

    /// Estimates the bytes of memory that the digests take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.of.len() * size_of::<Digests>()
    }

    /// Takes a cell's content. Returns its slot if the content is another one.
    fn set_content(&mut self, index: &Index, cell: &Cell) -> Option<Slot> {
        let slot = index.slot(&cell.id)?;
        if slot >= self.of.len() {
            self.of.resize(slot + 1, Digests::default());
        }
        let content = RunDigest::of_content(cell.cell_type, &cell.code);
        let before = std::mem::replace(&mut self.of[slot].content, content);
        (before != content).then_some(slot)
    }

    /// Makes the digests of these cells anew, among which are all that depend on any of them. Returns those that have changed.
    fn renew(&mut self, index: &Index, slots: Vec<Slot>) -> Vec<Slot> {
        let mut changed = Vec::new();
        if let [slot] = *slots {
            let run = self.run(index, slot, |parent| Some(self.of[parent.cell].run));
            self.set_run(slot, run, &mut changed);
            return changed;
        }
        let subgraph = Subgraph::of_readers(index, slots, |slot| !index.node(slot).broken);
        let (group, hard) = subgraph.ranks();
        let mut order: Vec<usize> = (0..subgraph.slots.len()).collect();
        // Tarjan's algorithm completes a component after all that depend on it.
        order.sort_unstable_by_key(|&cell| (Reverse(group[cell]), Reverse(hard[cell])));
        for members in order.chunk_by(|&one, &other| group[one] == group[other]) {
            if let [cell] = *members {
                let slot = subgraph.slots[cell];
                let run = self.run(index, slot, |parent| Some(self.of[parent.cell].run));
                self.set_run(slot, run, &mut changed);
                continue;
            }
            let hard: HashMap<Slot, usize> = members.iter().map(|&cell| (subgraph.slots[cell], hard[cell])).collect();
            let outside = |parent: &Binding| (!hard.contains_key(&parent.cell)).then(|| self.of[parent.cell].run);
            let group = hard.keys().map(|&slot| self.run(index, slot, outside)).collect();
            let group = RunDigest::of_group(group);
            for slot in members.iter().map(|&cell| subgraph.slots[cell]) {
                let goes_round = |parent: &Binding| {
                    hard.get(&parent.cell).is_some_and(|of_parent| !parent.is_hard() || *of_parent == hard[&slot])
                };
                let run = |parent: &Binding| if goes_round(parent) { group } else { self.of[parent.cell].run };
                let run = self.run(index, slot, |parent| Some(run(parent)));
                self.set_run(slot, run, &mut changed);
            }
        }
        changed
    }

    /// Returns the digest of a cell whose parents count as `digest` says.
    fn run(&self, index: &Index, slot: Slot, digest: impl Fn(&Binding) -> Option<RunDigest>) -> RunDigest {
        let content = self.of[slot].content;
        if index.node(slot).broken {
            return content;
        }
        let inputs = index.parents(slot).filter_map(|parent| {
            let name = index.name(parent.name);
            Some(Input { is_table: name.is_table, name: &name.text, writer: digest(&parent)? })
        });
        RunDigest::of_run(content, inputs.collect())
    }

    fn set_run(&mut self, slot: Slot, run: RunDigest, changed: &mut Vec<Slot>) {
        if std::mem::replace(&mut self.of[slot].run, run) != run {
            changed.push(slot);
        }
    }
}

/// Returns these cells and all that depend on them, each once.
fn dependents(index: &Index, mut waiting: Vec<Slot>) -> Vec<Slot> {
    let mut seen = HashSet::new();
    waiting.retain(|&slot| seen.insert(slot));
    while let Some(slot) = waiting.pop() {
        let children = index.children(slot).map(|child| child.cell);
        waiting.extend(children.filter(|&child| !index.node(child).broken && seen.insert(child)));
    }
    seen.into_iter().collect()
}
