//! Strongly connected components over eager and table edges, kept up to date edit by edit.
//!
//! Components stand in a list in topological order. A new edge that agrees with the list costs nothing: it cannot
//! close a cycle. One that does not is searched from both ends at once, only between the two places in the list, until
//! one side has no more to see: then that side moves past the other edge's end, or the search has found a cycle. This
//! is the two-way search of M. Bender, J. Fineman, S. Gilbert and R. Tarjan, "A new approach to incremental cycle
//! detection and related problems", ACM TALG 12(2), 2015, and B. Haeupler et al., "Incremental cycle detection,
//! topological ordering, and strong component maintenance", ACM TALG 8(1), 2012, within the bounds of D. Pearce and
//! P. Kelly, "A dynamic topological sort algorithm for directed acyclic graphs", ACM JEA 11, 2006.
//!
//! An edge that comes or goes inside a component of several cells, or a cell that moves there, makes that component be
//! split and built again. `inner` tells whether one did: an edit that leaves all edges of a component as they were
//! costs nothing of the component's size. The list depends on what was edited in which order; the components, and so all
//! that the graph tells, do not.

use std::collections::HashMap;
use std::sync::Arc;

use super::bindings::Binding;
use super::cycles;
use super::index::{Index, NameId, Slot, Touched};
use super::order_list::OrderList;
use super::search::{Search, SearchResult};
use super::subgraph::Subgraph;
use super::types::{Cycle, CycleUpdate};

/// A component's number: the slot of one of its cells.
pub(super) type ComponentId = usize;

/// Effect of an edit on its cell's place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceChange {
    /// The cell keeps its place.
    Unchanged,
    /// The cell is new or has another place.
    Moved,
    /// The cell was deleted.
    Deleted,
}

/// The components of a graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Components {
    /// The component of each slot.
    of: Vec<ComponentId>,
    order: OrderList,
    /// The components of more than one cell.
    members: HashMap<ComponentId, Vec<Slot>>,
    /// One for each of `members`, except while they change.
    cycles: HashMap<ComponentId, CyclicComponent>,
}

/// A component of several cells, with its cycle.
#[derive(Clone, Debug)]
struct CyclicComponent {
    cycle: Arc<Cycle>,
    /// The parent of each read within the component that its cell cannot run without.
    inner: HashMap<(NameId, Slot), Slot>,
    /// Bytes of memory that the cycle's own description takes.
    cycle_bytes: usize,
}

/// Bytes of a cell's component and its place in the list.
const ORDERED_BYTES: usize = 48;
/// Bytes of a cell in a component of several, beside the description of the cycle.
const MEMBER_BYTES: usize = 16;
/// Bytes of an edge that is remembered for a component of several cells.
const INNER_EDGE_BYTES: usize = 40;

/// Changes of cycles so far, while the edges after one edit are followed.
#[derive(Default)]
struct PendingUpdate {
    /// The cycles of components that no longer exist.
    removed: Vec<Arc<Cycle>>,
    /// Components of several cells that were made, some of which may have been merged since.
    made: Vec<ComponentId>,
}

impl Components {
    /// Finds the components of all cells. O(n log n + e log n).
    pub(super) fn new(index: &Index) -> Self {
        let mut components = Self::default();
        let slots = index.document().collect();
        let mut pending = PendingUpdate::default();
        components.build(index, slots, None, &mut pending);
        components.describe(index, pending);
        components
    }

    pub(super) fn of(&self, slot: Slot) -> ComponentId {
        self.of[slot]
    }

    pub(super) fn rank(&self, component: ComponentId) -> u64 {
        self.order.rank(component)
    }

    /// Iterates over the component's cells.
    pub(super) fn members(&self, component: ComponentId) -> impl Iterator<Item = Slot> {
        let several = self.members.get(&component);
        let alone = several.is_none().then_some(component);
        several.into_iter().flatten().copied().chain(alone)
    }

    /// Returns the cycle that a cell is on.
    pub(super) fn cycle(&self, slot: Slot) -> Option<&Arc<Cycle>> {
        self.cycles.get(self.of.get(slot)?).map(|described| &described.cycle)
    }

    /// Iterates over all cycles, in no order.
    pub(super) fn cycles(&self) -> impl Iterator<Item = &Arc<Cycle>> {
        self.cycles.values().map(|described| &described.cycle)
    }

    /// Estimates the bytes of memory that the components take. O(c) for c components of several cells.
    pub(super) fn memory_bytes(&self) -> usize {
        let described = self.cycles.values().map(|described| {
            described.inner.len() * INNER_EDGE_BYTES
                + described.cycle.cells.len() * MEMBER_BYTES
                + described.cycle_bytes
        });
        self.of.len() * ORDERED_BYTES + described.sum::<usize>()
    }

    /// Adds a new cell, near its neighbour above: most edges go down the document, so most edges to come agree.
    pub(super) fn add(&mut self, index: &Index, slot: Slot) {
        let above = index.cell_above(slot).map(|above| self.of[above]);
        if slot >= self.of.len() {
            self.of.resize(slot + 1, slot);
        }
        self.of[slot] = slot;
        self.order.insert_after(above, slot);
    }

    /// Follows the edges after the cell `slot` changed and the bindings of `touched` with it. Returns the cycles that
    /// changed.
    ///
    /// Costs the time of the touched reads, of the components of several cells whose inner edges changed or whose cell
    /// moved or left, and of the searches that new edges against the list's order need.
    pub(super) fn follow(
        &mut self,
        index: &Index,
        slot: Slot,
        place_change: PlaceChange,
        touched: &mut Touched,
    ) -> CycleUpdate {
        touched.sort_unstable();
        touched.dedup();
        let is_gone = place_change == PlaceChange::Deleted;
        if is_gone && !self.members.contains_key(&self.of[slot]) {
            self.order.remove(slot);
        }
        let changed = touched.iter().filter(|&&read| !self.binds_as_before(index, read));
        let mut split: Vec<_> = changed.map(|&(_, reader)| self.of[reader]).collect();
        if place_change != PlaceChange::Unchanged {
            split.push(self.of[slot]);
        }
        split.retain(|component| self.members.contains_key(component));
        split.sort_unstable();
        split.dedup();
        let mut pending = PendingUpdate::default();
        for component in split {
            let mut members = self.members.remove(&component).unwrap_or_default();
            pending.removed.extend(self.cycles.remove(&component).map(|described| described.cycle));
            members.retain(|&member| !(is_gone && member == slot));
            let place = self.order.before(component);
            self.order.remove(component);
            self.build(index, members, place, &mut pending);
        }
        for &(name, reader) in touched.iter() {
            if let Some(binding) = index.binding(name, reader).filter(Binding::is_hard) {
                self.insert_edge(index, self.of[binding.cell], self.of[reader], &mut pending);
            }
        }
        self.describe(index, pending)
    }

    /// Returns `true` if a touched read makes the same edge within its component as before, or still none; also for a read in no
    /// component of several cells.
    fn binds_as_before(&self, index: &Index, (name, reader): (NameId, Slot)) -> bool {
        let component = self.of[reader];
        let Some(described) = self.cycles.get(&component) else { return true };
        let binding = index.binding(name, reader).filter(Binding::is_hard);
        let now = binding.map(|binding| binding.cell).filter(|&parent| self.of[parent] == component);
        described.inner.get(&(name, reader)).copied() == now
    }

    /// Finds the components of these cells, which are in none, and puts them into the list behind `place`.
    fn build(&mut self, index: &Index, slots: Vec<Slot>, mut place: Option<ComponentId>, pending: &mut PendingUpdate) {
        let subgraph = Subgraph::of(index, slots);
        for unit in subgraph.units() {
            let members: Vec<_> = unit.into_iter().map(|cell| subgraph.slots[cell]).collect();
            let Some(&component) = members.first() else { continue };
            self.order.insert_after(place, component);
            place = Some(component);
            self.join(component, members, pending);
        }
    }

    /// Makes one component of these cells.
    fn join(&mut self, component: ComponentId, members: Vec<Slot>, pending: &mut PendingUpdate) {
        for &member in &members {
            if member >= self.of.len() {
                self.of.resize(member + 1, member);
            }
            self.of[member] = component;
        }
        if members.len() > 1 {
            self.members.insert(component, members);
            pending.made.push(component);
        }
    }

    /// Adds a new edge.
    fn insert_edge(&mut self, index: &Index, parent: ComponentId, child: ComponentId, pending: &mut PendingUpdate) {
        if parent == child || self.rank(parent) < self.rank(child) {
            return;
        }
        match Search::new(index, self, parent, child).run() {
            SearchResult::Ancestors(ancestors) => {
                for &ancestor in &ancestors {
                    self.order.remove(ancestor);
                    self.order.insert_after(self.order.before(child), ancestor);
                }
            }
            SearchResult::Descendants(descendants) => self.move_behind(parent, &descendants),
            SearchResult::Cycle { component, beyond } => {
                self.move_behind(parent, &beyond);
                let mut members = Vec::new();
                for part in component {
                    members.extend(self.members(part));
                    self.members.remove(&part);
                    pending.removed.extend(self.cycles.remove(&part).map(|described| described.cycle));
                    if part != parent {
                        self.order.remove(part);
                    }
                }
                self.join(parent, members, pending);
            }
        }
    }

    /// Moves components, given in the list's order, directly behind another.
    fn move_behind(&mut self, mut place: ComponentId, components: &[ComponentId]) {
        for &component in components {
            self.order.remove(component);
            self.order.insert_after(Some(place), component);
            place = component;
        }
    }

    /// Describes the components that were made, and compares each with the one before: a cycle that did not change stays the same
    /// value.
    fn describe(&mut self, index: &Index, PendingUpdate { removed, mut made }: PendingUpdate) -> CycleUpdate {
        let first = |cycle: &Cycle| cycle.cells.first().cloned();
        let mut removed: HashMap<_, _> = removed.into_iter().map(|cycle| (first(&cycle), cycle)).collect();
        let mut added = Vec::new();
        made.sort_unstable();
        made.dedup();
        for component in made {
            // A component that was merged into another one has no entry.
            let Some(members) = self.members.get(&component) else { continue };
            let inner = members.iter().flat_map(|&reader| {
                let parents = index.parents(reader).filter(Binding::is_hard);
                let inner = parents.filter(|binding| self.of[binding.cell] == component);
                inner.map(move |binding| ((binding.name, reader), binding.cell))
            });
            let inner = inner.collect();
            let cycle = cycles::describe(index, members.clone());
            let cycle = match removed.remove(&first(&cycle)) {
                Some(same) if *same == cycle => same,
                other => {
                    removed.extend(other.map(|other| (first(&other), other)));
                    let cycle = Arc::new(cycle);
                    added.push(Arc::clone(&cycle));
                    cycle
                }
            };
            let cycle_bytes = cycle.memory_bytes();
            self.cycles.insert(component, CyclicComponent { cycle, inner, cycle_bytes });
        }
        CycleUpdate { removed: removed.into_values().collect(), added }
    }
}
