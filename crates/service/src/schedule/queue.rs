//! The cells that wait for their run, in the order of their runs.

use std::collections::{HashMap, VecDeque};

use quire_domain::{CellId, Graph};

use super::requests::Waiter;

/// A cell in the queue.
#[derive(Debug, Default)]
pub(super) struct Queued {
    /// Set when a request asked for the cell itself, not only for one that it depends on.
    pub(super) is_asked: bool,
    /// The requests that wait for it.
    pub(super) waiters: Vec<Waiter>,
}

/// The queue. Each cell is in it once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    cells: HashMap<CellId, Queued>,
    /// The cells in order while `is_sorted`, with some that have left the queue.
    order: VecDeque<CellId>,
    is_sorted: bool,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(super) fn get(&self, id: &CellId) -> Option<&Queued> {
        self.cells.get(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &CellId> {
        self.cells.keys()
    }

    /// Adds a cell, or another waiter for a queued one.
    pub(super) fn add(&mut self, id: CellId, is_asked: bool, waiter: Waiter) {
        let mut is_new = false;
        let queued = self.cells.entry(id).or_insert_with(|| {
            is_new = true;
            Queued::default()
        });
        queued.is_asked |= is_asked;
        queued.waiters.push(waiter);
        self.is_sorted &= !is_new;
    }

    pub(super) fn remove(&mut self, id: &CellId) -> Option<Queued> {
        self.cells.remove(id)
    }

    /// Removes all cells, and returns them sorted by their ids.
    pub(super) fn drain(&mut self) -> Vec<(CellId, Queued)> {
        self.order.clear();
        let mut all: Vec<_> = self.cells.drain().collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Sorts anew before the next look, after an edit.
    pub(super) fn notebook_changed(&mut self) {
        self.is_sorted = false;
    }

    /// Returns the cell whose turn it is.
    pub(super) fn first(&mut self, graph: &Graph) -> Option<CellId> {
        self.sort(graph);
        while let Some(first) = self.order.front() {
            if self.cells.contains_key(first) {
                return Some(first.clone());
            }
            self.order.pop_front();
        }
        None
    }

    /// Returns all cells in order.
    pub(super) fn in_order(&mut self, graph: &Graph) -> Vec<CellId> {
        self.sort(graph);
        self.order.iter().filter(|cell| self.cells.contains_key(*cell)).cloned().collect()
    }

    fn sort(&mut self, graph: &Graph) {
        if !self.is_sorted {
            self.order = graph.in_topological_order(self.cells.keys()).into();
            self.is_sorted = true;
        }
    }
}
