//! Some cells with the edges among them, in arrays for algorithms that visit all of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::bindings::Binding;
use super::index::{Index, Slot};
use super::types::EdgeKind;
use super::work;

/// Cells and the edges among them. A cell's number in here is its index in document order.
#[derive(Debug)]
pub(super) struct Subgraph {
    pub(super) slots: Vec<Slot>,
    /// The children of each cell, in document order.
    children: Vec<Vec<(usize, EdgeKind)>>,
}

/// The kinds of edges to visit.
#[derive(Clone, Copy)]
enum Edges {
    All,
    Hard,
}

impl Edges {
    fn count(self, kind: EdgeKind) -> bool {
        matches!(self, Self::All) || kind != EdgeKind::Deferred
    }
}

impl Subgraph {
    /// Makes a subgraph of these cells, each named once. O(n log n + e log n).
    pub(super) fn of(index: &Index, slots: Vec<Slot>) -> Self {
        Self::of_readers(index, slots, |_| true)
    }

    /// Makes a subgraph of these cells as [`Self::of`] does, without the edges to cells that are not `reader`s.
    pub(super) fn of_readers(index: &Index, mut slots: Vec<Slot>, reader: impl Fn(Slot) -> bool) -> Self {
        slots.sort_unstable_by(|&a, &b| index.node(a).place.cmp(&index.node(b).place));
        let numbers: HashMap<Slot, usize> = slots.iter().enumerate().map(|(number, &slot)| (slot, number)).collect();
        let mut children = vec![Vec::new(); slots.len()];
        for (child, &slot) in slots.iter().enumerate().filter(|(_, slot)| reader(**slot)) {
            for Binding { cell, kind, .. } in index.parents(slot) {
                work::step();
                if let Some(&parent) = numbers.get(&cell) {
                    children[parent].push((child, kind));
                }
            }
        }
        Self { slots, children }
    }

    /// Iterates over the slots of all units of [`Self::units`], one after the other.
    pub(super) fn topological_order(&self) -> impl Iterator<Item = Slot> {
        self.units().into_iter().flatten().map(|cell| self.slots[cell])
    }

    /// Returns for each cell the number of its component over edges of every kind, and over hard ones. A component has a smaller
    /// number than those that it depends on.
    pub(super) fn ranks(&self) -> (Vec<usize>, Vec<usize>) {
        (self.components(Edges::All), self.components(Edges::Hard))
    }

    /// Returns the cells, each after all its parents here; cells on one cycle together as one unit, in document order.
    /// Deferred edges count unless that makes a circle. Of the units that are ready the one that begins first in the
    /// document comes first. O(n log n + e).
    ///
    /// The algorithm is that of A. B. Kahn, "Topological sorting of large networks", CACM 5(11), 1962, with a heap.
    pub(super) fn units(&self) -> Vec<Vec<usize>> {
        let unit_of = self.components(Edges::Hard);
        let wide = self.components(Edges::All);
        let mut units = vec![Vec::new(); self.slots.len()];
        for (cell, &unit) in unit_of.iter().enumerate() {
            units[unit].push(cell);
        }
        let counts = |parent: usize, child: usize, kind| {
            unit_of[parent] != unit_of[child] && (Edges::Hard.count(kind) || wide[parent] != wide[child])
        };
        let mut waits_for = vec![0_usize; units.len()];
        for (parent, children) in self.children.iter().enumerate() {
            for &(child, kind) in children {
                if counts(parent, child, kind) {
                    waits_for[unit_of[child]] += 1;
                }
            }
        }
        let place = |unit: usize| units[unit].first().map(|&first| Reverse((first, unit)));
        let mut ready: BinaryHeap<_> =
            (0..units.len()).filter(|&unit| waits_for[unit] == 0).filter_map(place).collect();
        let mut order = Vec::new();
        while let Some(Reverse((_, unit))) = ready.pop() {
            for &parent in &units[unit] {
                for &(child, kind) in &self.children[parent] {
                    work::step();
                    if counts(parent, child, kind) {
                        let child = unit_of[child];
                        waits_for[child] -= 1;
                        if waits_for[child] == 0 {
                            ready.extend(place(child));
                        }
                    }
                }
            }
            order.push(unit);
        }
        order.into_iter().map(|unit| std::mem::take(&mut units[unit])).collect()
    }

    /// Returns the shortest way from the first cell around to itself over hard edges, without the last step; of several that
    /// whose cells come first in the document. Empty when there is none.
    pub(super) fn way_around(&self) -> Vec<usize> {
        let mut from: Vec<Option<usize>> = vec![None; self.slots.len()];
        let mut queue = vec![0];
        let mut at = 0;
        while let Some(&parent) = queue.get(at) {
            at += 1;
            for &(child, kind) in self.children.get(parent).into_iter().flatten() {
                if Edges::Hard.count(kind) && from[child].is_none() {
                    from[child] = Some(parent);
                    queue.push(child);
                }
            }
        }
        let mut way = Vec::new();
        let mut cell = 0;
        while let Some(parent) = from.get(cell).copied().flatten() {
            way.push(parent);
            cell = parent;
            if cell == 0 {
                break;
            }
        }
        way.reverse();
        way
    }

    /// Returns the number of each cell's strongly connected component.
    ///
    /// The algorithm is that of R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1(2),
    /// 1972, with a stack of its own, since a chain of cells can be longer than a thread's stack is deep.
    fn components(&self, edges: Edges) -> Vec<usize> {
        const UNSEEN: usize = usize::MAX;
        let count = self.slots.len();
        let mut component = vec![UNSEEN; count];
        let (mut number, mut low) = (vec![UNSEEN; count], vec![UNSEEN; count]);
        let (mut numbers, mut components) = (0, 0);
        let mut open = Vec::new(); // cells whose component is not complete
        let mut path: Vec<(usize, usize)> = Vec::new(); // cells being visited, with the child to look at next
        for root in 0..count {
            if number[root] == UNSEEN {
                path.push((root, 0));
            }
            while let Some((cell, next)) = path.last_mut() {
                let cell = *cell;
                work::step();
                if *next == 0 {
                    number[cell] = numbers;
                    low[cell] = numbers;
                    numbers += 1;
                    open.push(cell);
                }
                if let Some(&(child, kind)) = self.children[cell].get(*next) {
                    *next += 1;
                    if edges.count(kind) {
                        if number[child] == UNSEEN {
                            path.push((child, 0));
                        } else if component[child] == UNSEEN {
                            low[cell] = low[cell].min(number[child]);
                        }
                    }
                    continue;
                }
                if low[cell] == number[cell] {
                    while let Some(member) = open.pop() {
                        component[member] = components;
                        if member == cell {
                            break;
                        }
                    }
                    components += 1;
                }
                path.pop();
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[cell]);
                }
            }
        }
        component
    }
}
