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
//! An edge that goes away only matters inside a component, which then is taken apart and built anew. The list
//! depends on what was edited in which order; the components, and so all that the graph tells, do not.

use std::collections::HashMap;
use std::sync::Arc;

use super::bindings::Binding;
use super::cycles;
use super::index::{Index, Slot, Touched};
use super::order_list::OrderList;
use super::search::{Found, Search};
use super::subgraph::Subgraph;
use super::types::Cycle;

/// A component's number: the slot of one of its cells.
pub(super) type ComponentId = usize;

/// The components of a graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Components {
    /// By slot.
    of: Vec<ComponentId>,
    order: OrderList,
    /// The components of more than one cell.
    members: HashMap<ComponentId, Vec<Slot>>,
    /// One for each of `members`, except while they change.
    cycles: HashMap<ComponentId, Arc<Cycle>>,
}

impl Components {
    /// Finds the components of all cells. O(n log n + e log n).
    pub(super) fn new(index: &Index) -> Self {
        let mut components = Self::default();
        let slots = index.document().collect();
        components.build(index, slots, None);
        components.find_cycles(index);
        components
    }

    pub(super) fn of(&self, slot: Slot) -> ComponentId {
        self.of[slot]
    }

    pub(super) fn rank(&self, component: ComponentId) -> u64 {
        self.order.rank(component)
    }

    /// The component's cells.
    pub(super) fn members(&self, component: ComponentId) -> impl Iterator<Item = Slot> {
        let several = self.members.get(&component);
        let alone = several.is_none().then_some(component);
        several.into_iter().flatten().copied().chain(alone)
    }

    /// The cells that are on a cycle with this one.
    pub(super) fn cycle(&self, slot: Slot) -> Option<&Arc<Cycle>> {
        self.cycles.get(self.of.get(slot)?)
    }

    /// All cycles, in no order.
    pub(super) fn cycles(&self) -> impl Iterator<Item = &Arc<Cycle>> {
        self.cycles.values()
    }

    /// Takes a new cell in, near its neighbour above: most edges go down the document, so most edges to come agree.
    pub(super) fn add(&mut self, index: &Index, slot: Slot) {
        let above = index.cell_above(slot).map(|above| self.of[above]);
        if slot >= self.of.len() {
            self.of.resize(slot + 1, slot);
        }
        self.of[slot] = slot;
        self.order.insert_after(above, slot);
    }

    /// Follows the edges after the cell `slot` changed and the bindings of `touched` with it. `is_gone` says that the
    /// cell was deleted. Returns whether cycles may have changed.
    ///
    /// Costs the time of the touched reads, of the components that they were in, and of the searches that new edges
    /// against the list's order need.
    pub(super) fn follow(&mut self, index: &Index, slot: Slot, is_gone: bool, touched: &mut Touched) -> bool {
        touched.sort_unstable();
        touched.dedup();
        if is_gone && !self.members.contains_key(&self.of[slot]) {
            self.order.remove(slot);
        }
        let mut apart: Vec<_> = touched.iter().map(|&(_, reader)| self.of[reader]).collect();
        apart.push(self.of[slot]);
        apart.retain(|component| self.members.contains_key(component));
        apart.sort_unstable();
        apart.dedup();
        let mut changed = !apart.is_empty();
        for component in apart {
            let mut members = self.members.remove(&component).unwrap_or_default();
            self.cycles.remove(&component);
            members.retain(|&member| !(is_gone && member == slot));
            let place = self.order.before(component);
            self.order.remove(component);
            self.build(index, members, place);
        }
        for &(name, reader) in touched.iter() {
            if let Some(binding) = index.binding(name, reader).filter(Binding::is_hard) {
                changed |= self.insert_edge(index, self.of[binding.cell], self.of[reader]);
            }
        }
        if changed {
            self.find_cycles(index);
        }
        changed
    }

    /// Finds the components of these cells, which are in none, and puts them into the list behind `place`.
    fn build(&mut self, index: &Index, slots: Vec<Slot>, mut place: Option<ComponentId>) {
        let subgraph = Subgraph::of(index, slots);
        for unit in subgraph.units() {
            let members: Vec<_> = unit.into_iter().map(|cell| subgraph.slots[cell]).collect();
            let Some(&component) = members.first() else { continue };
            self.order.insert_after(place, component);
            place = Some(component);
            self.join(component, members);
        }
    }

    /// Makes one component of these cells.
    fn join(&mut self, component: ComponentId, members: Vec<Slot>) {
        for &member in &members {
            if member >= self.of.len() {
                self.of.resize(member + 1, member);
            }
            self.of[member] = component;
        }
        if members.len() > 1 {
            self.members.insert(component, members);
        }
    }

    /// Takes a new edge in. Returns whether it closes a cycle.
    fn insert_edge(&mut self, index: &Index, parent: ComponentId, child: ComponentId) -> bool {
        if parent == child || self.rank(parent) < self.rank(child) {
            return false;
        }
        match Search::new(index, self, parent, child).run() {
            Found::Ancestors(ancestors) => {
                for &ancestor in &ancestors {
                    self.order.remove(ancestor);
                    self.order.insert_after(self.order.before(child), ancestor);
                }
                false
            }
            Found::Descendants(descendants) => {
                self.move_behind(parent, &descendants);
                false
            }
            Found::Cycle { component, beyond } => {
                self.move_behind(parent, &beyond);
                let mut members = Vec::new();
                for part in component {
                    members.extend(self.members(part));
                    self.members.remove(&part);
                    self.cycles.remove(&part);
                    if part != parent {
                        self.order.remove(part);
                    }
                }
                self.join(parent, members);
                true
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

    /// Describes the cycles that are not described yet.
    fn find_cycles(&mut self, index: &Index) {
        for (component, members) in &self.members {
            let cycle = || Arc::new(cycles::describe(index, members.clone()));
            self.cycles.entry(*component).or_insert_with(cycle);
        }
    }
}
