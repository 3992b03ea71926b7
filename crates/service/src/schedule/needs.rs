//! The values that must be in the namespace before a cell runs, and the writers that must run for them.
//!
//! A cell needs each Python name that it reads from the writer that the read binds to, and so do the functions that it may
//! call: the names that its parents read in functions, those that *their* parents read in functions, and so on. A need is
//! met while the name holds what that writer writes as it is now, and never by a cell on a cycle. Two exceptions make
//! the needs of all cells a graph without cycles, as long as no cell is on a cycle itself:
//!
//! - Where functions of cells need each other, none can be first: a cell does not need a name that is read in a
//!   function from a cell that depends on the cell itself, in whatever way.
//! - A name holds one value at a time, so that functions can need different writers of the same name. The writer that the cell
//!   itself reads from counts, or else the last of them in the document, as when the whole notebook runs from the top.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use quire_domain::{Cell, CellId, Edge, EdgeKind, OrderKey};

use super::namespace::Namespace;
use super::types::NotebookState;

/// The groups of cells that depend on each other, over edges of every kind; without the many cells that are in none.
type Groups = HashMap<CellId, usize>;

/// What is known of needs from one step to the next.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Cells whose functions have all that they need.
    settled: HashSet<CellId>,
    /// The groups in the present state of the notebook, once they were asked for.
    groups: Option<Groups>,
}

/// The writers that run before a cell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Preparation {
    /// The writers, each after those of them that it needs.
    pub(super) writers: VecDeque<CellId>,
    /// The first cell in the document that is needed and cannot run.
    pub(super) obstacle: Option<CellId>,
}

impl NotebookState<'_> {
    pub(super) fn cell(&self, id: &CellId) -> Option<&Cell> {
        self.notebook.cells.find(id).map(|cell| &**cell)
    }

    pub(super) fn is_on_cycle(&self, id: &CellId) -> bool {
        self.notebook.cycles.contains_key(id)
    }

    /// Returns a key that sorts by place in the document.
    fn place(&self, id: &CellId) -> Option<(OrderKey, CellId)> {
        self.cell(id).map(|cell| (cell.order.clone(), cell.id.clone()))
    }

    /// Returns the names that a run of the cell takes from the namespace. Code that does not parse takes none.
    fn reads(&self, id: &CellId) -> impl Iterator<Item = Edge> {
        let parses = self.cell(id).is_some_and(|cell| cell.broken.is_none());
        let edges = if parses { self.graph.parents(id) } else { Vec::new() };
        edges.into_iter().filter(|edge| edge.kind != EdgeKind::Table)
    }

    fn is_met(&self, namespace: &Namespace, edge: &Edge) -> bool {
        let writer = self.cell(&edge.parent).filter(|writer| !self.is_on_cycle(&writer.id));
        writer.is_some_and(|writer| namespace.holds(&edge.name, writer))
    }
}

impl Needs {
    /// Forgets what an edit may have changed.
    pub(super) fn notebook_changed(&mut self) {
        *self = Self::default();
    }

    /// Forgets what the change of a held name may have changed.
    pub(super) fn name_overwritten(&mut self) {
        self.settled.clear();
    }

    /// Returns `true` if every need of a cell is met. Costs the cell's own edges and those of functions that were not looked at since
    /// a name was overwritten.
    pub(super) fn are_met(&mut self, state: NotebookState<'_>, namespace: &Namespace, cell: &CellId) -> bool {
        self.are_plainly_met(state, namespace, cell) || self.unmet(state, namespace, cell).is_empty()
    }

    /// Returns `true` if every need is met, the excepted ones too. This is the common case and needs no look at the whole notebook.
    fn are_plainly_met(&mut self, state: NotebookState<'_>, namespace: &Namespace, cell: &CellId) -> bool {
        let mut seen = HashSet::new();
        let mut waiting = Vec::new();
        for edge in state.reads(cell) {
            super::work::step();
            if !state.is_met(namespace, &edge) {
                return false;
            }
            if !self.settled.contains(&edge.parent) && seen.insert(edge.parent.clone()) {
                waiting.push(edge.parent);
            }
        }
        let mut needs_the_cell = false;
        while let Some(function) = waiting.pop() {
            for edge in state.reads(&function).filter(|edge| edge.kind == EdgeKind::Deferred) {
                super::work::step();
                if edge.parent == *cell {
                    needs_the_cell = true;
                    continue;
                }
                if !state.is_met(namespace, &edge) {
                    return false;
                }
                if !self.settled.contains(&edge.parent) && seen.insert(edge.parent.clone()) {
                    waiting.push(edge.parent);
                }
            }
        }
        if !needs_the_cell {
            self.settled.extend(seen);
        }
        true
    }

    /// Returns the writers of the needs that are not met, each once.
    fn unmet(&mut self, state: NotebookState<'_>, namespace: &Namespace, cell: &CellId) -> Vec<CellId> {
        let groups = self.groups.get_or_insert_with(|| state.graph.dependency_groups());
        let group = groups.get(cell);
        let excepted = |writer: &CellId| writer == cell || (group.is_some() && groups.get(writer) == group);
        let mut seen = HashSet::new();
        let mut waiting = Vec::new();
        let mut own = HashMap::new();
        for edge in state.reads(cell) {
            super::work::step();
            let is_needed = edge.kind == EdgeKind::Eager || !excepted(&edge.parent);
            if is_needed && seen.insert(edge.parent.clone()) {
                waiting.push(edge.parent.clone());
            }
            own.insert(edge.name.clone(), is_needed.then_some(edge));
        }
        let mut of_functions: HashMap<String, Edge> = HashMap::new();
        while let Some(function) = waiting.pop() {
            for edge in state.reads(&function) {
                super::work::step();
                if edge.kind != EdgeKind::Deferred || excepted(&edge.parent) {
                    continue;
                }
                if seen.insert(edge.parent.clone()) {
                    waiting.push(edge.parent.clone());
                }
                let is_later = |other: &Edge| state.place(&other.parent) < state.place(&edge.parent);
                if !own.contains_key(&edge.name) && of_functions.get(&edge.name).is_none_or(is_later) {
                    of_functions.insert(edge.name.clone(), edge);
                }
            }
        }
        let needed = own.into_values().flatten().chain(of_functions.into_values());
        let unmet: HashSet<CellId> =
            needed.filter(|edge| !state.is_met(namespace, edge)).map(|edge| edge.parent).collect();
        unmet.into_iter().collect()
    }

    /// Plans the writers that must run before a cell, upwards: those whose values are missing, overwritten or not of the writer as
    /// it is now. `can_run` refuses those that must not run; nothing that only they need is looked at.
    pub(super) fn prepare(
        &mut self,
        state: NotebookState<'_>,
        namespace: &Namespace,
        cell: &CellId,
        can_run: impl Fn(&CellId) -> bool,
    ) -> Preparation {
        let mut needs: HashMap<CellId, Vec<CellId>> = HashMap::new();
        let mut obstacles = Vec::new();
        let mut waiting = vec![cell.clone()];
        while let Some(next) = waiting.pop() {
            if needs.contains_key(&next) {
                continue;
            }
            if next != *cell && !can_run(&next) {
                obstacles.extend(state.place(&next));
                needs.insert(next, Vec::new());
                continue;
            }
            let unmet = self.unmet(state, namespace, &next);
            waiting.extend(unmet.iter().cloned());
            needs.insert(next, unmet);
        }
        let obstacle = obstacles.into_iter().min().map(|(_, id)| id);
        let mut writers = in_order(state, &needs);
        writers.retain(|writer| writer != cell);
        Preparation { writers, obstacle }
    }
}

/// Sorts cells so that each comes after those that it needs; of the possible ones the first in the document comes first.
fn in_order(state: NotebookState<'_>, needs: &HashMap<CellId, Vec<CellId>>) -> VecDeque<CellId> {
    let mut needed_by: HashMap<&CellId, Vec<&CellId>> = HashMap::new();
    for (cell, unmet) in needs {
        for writer in unmet {
            needed_by.entry(writer).or_default().push(cell);
        }
    }
    let mut waits_for: HashMap<&CellId, usize> = needs.iter().map(|(cell, unmet)| (cell, unmet.len())).collect();
    let first = needs.iter().filter(|(_, unmet)| unmet.is_empty());
    let mut ready: BinaryHeap<_> = first.filter_map(|(cell, _)| state.place(cell)).map(Reverse).collect();
    let mut order = VecDeque::new();
    while let Some(Reverse((_, cell))) = ready.pop() {
        super::work::step();
        for child in needed_by.get(&cell).into_iter().flatten() {
            if let Some(count) = waits_for.get_mut(*child) {
                *count -= 1;
                if *count == 0 {
                    ready.extend(state.place(child).map(Reverse));
                }
            }
        }
        order.push_back(cell);
    }
    order
}
