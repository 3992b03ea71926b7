//! Queries of the graph.

use std::collections::HashSet;

use super::Graph;
use super::bindings::Binding;
use super::index::Slot;
use super::types::{Dependency, Edge, GraphDiagnostic};
use crate::CellId;

impl Graph {
    /// Returns the edges from a cell's parents, sorted by the parents' places, then by name; none for an unknown cell.
    /// O(log n) for each name that the cell reads.
    #[must_use]
    pub fn parents(&self, id: &CellId) -> Vec<Edge> {
        let Some(child) = self.index.slot(id) else {
            return Vec::new();
        };
        let mut parents: Vec<_> = self.index.parents(child).collect();
        self.sort(&mut parents);
        parents.iter().map(|edge| self.edge(edge.cell, child, edge)).collect()
    }

    /// Returns the edges to a cell's children, sorted by the children's places, then by name; none for an unknown cell.
    /// O(log n) for each name that the cell writes and each edge.
    #[must_use]
    pub fn children(&self, id: &CellId) -> Vec<Edge> {
        let Some(parent) = self.index.slot(id) else {
            return Vec::new();
        };
        let mut children: Vec<_> = self.index.children(parent).collect();
        self.sort(&mut children);
        children.iter().map(|edge| self.edge(parent, edge.cell, edge)).collect()
    }

    /// Iterates over all edges, by the children's places and each child's as [`Self::parents`] has them.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.index.document().flat_map(|cell| self.parents(self.index.id(cell)))
    }

    /// Iterates over all edges, those of one kind from one cell to another together: by the children's places, then the parents'. A name
    /// that a cell reads is in one at most, so this is linear in the notebook, while the cells that could name each other
    /// are not.
    pub fn dependencies(&self) -> impl Iterator<Item = Dependency<'_>> {
        self.index.document().flat_map(|child| {
            let mut parents: Vec<_> = self.index.parents(child).collect();
            let key = |edge: &Binding| (&self.index.node(edge.cell).place, edge.kind, &self.index.name(edge.name).text);
            parents.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
            let grouped = parents.chunk_by(|a, b| (a.cell, a.kind) == (b.cell, b.kind));
            let grouped = grouped.filter_map(|edges| {
                let Binding { cell, kind, .. } = edges.first()?;
                let (parent, child) = (&self.index.node(*cell).place, &self.index.node(child).place);
                Some(Dependency {
                    parent: parent.id(),
                    child: child.id(),
                    is_below: parent > child,
                    kind: *kind,
                    names: edges.iter().map(|edge| &*self.index.name(edge.name).text).collect(),
                })
            });
            grouped.collect::<Vec<_>>()
        })
    }

    /// Returns all cells that a cell depends on, over edges of every kind, in document order and without the cell itself, even
    /// when it is on a cycle; none for an unknown cell. O(k log k + e log n) for k ancestors and their e edges.
    #[must_use]
    pub fn ancestors(&self, id: &CellId) -> Vec<CellId> {
        self.reachable(id, |cell| self.index.parents(cell))
    }

    /// Returns all cells that depend on a cell, otherwise as [`Self::ancestors`].
    #[must_use]
    pub fn descendants(&self, id: &CellId) -> Vec<CellId> {
        self.reachable(id, |cell| self.index.children(cell))
    }

    /// Returns notes on the bindings of a cell, sorted: names that are written only further down, then names
    /// that other cells write too (except tables, which several cells may fill).
    /// O(log n) for each name, and O(w) for each of its w writers where there are several.
    #[must_use]
    pub fn diagnostics(&self, id: &CellId) -> Vec<GraphDiagnostic> {
        let Some(cell) = self.index.slot(id) else {
            return Vec::new();
        };
        let node = self.index.node(cell);
        let later = self.index.parents(cell).filter_map(|edge| {
            let writer = &self.index.node(edge.cell).place;
            (writer > &node.place).then(|| GraphDiagnostic::DefinedLater {
                name: self.index.name(edge.name).text.to_string(),
                writer: writer.id().clone(),
            })
        });
        let multiple = node.writes.iter().filter_map(|&name| {
            let name = self.index.name(name);
            (!name.is_table && name.writers.len() > 1).then(|| GraphDiagnostic::MultipleDefinition {
                name: name.text.to_string(),
                others: name
                    .writers
                    .iter()
                    .filter(|writer| writer.slot != cell)
                    .map(|writer| writer.id().clone())
                    .collect(),
            })
        });
        let mut diagnostics: Vec<_> = later.chain(multiple).collect();
        diagnostics.sort_unstable();
        diagnostics
    }

    /// Returns the names that several cells write, each with those cells in document order; by name. Tables are not among them, as
    /// in [`Self::diagnostics`], which lists the same for each cell and so takes quadratic space.
    #[must_use]
    pub fn multiple_definitions(&self) -> Vec<(String, Vec<CellId>)> {
        let several = self.index.names().filter(|name| !name.is_table && name.writers.len() > 1);
        let mut several: Vec<_> = several
            .map(|name| (name.text.to_string(), name.writers.iter().map(|writer| writer.id().clone()).collect()))
            .collect();
        several.sort_unstable();
        several
    }

    pub(super) fn in_document_order(&self, cells: HashSet<Slot>) -> Vec<CellId> {
        let mut places: Vec<_> = cells.into_iter().map(|cell| &self.index.node(cell).place).collect();
        places.sort_unstable();
        places.into_iter().map(|place| place.id().clone()).collect()
    }

    fn reachable<I: Iterator<Item = Binding>>(&self, id: &CellId, neighbours: impl Fn(Slot) -> I) -> Vec<CellId> {
        let Some(start) = self.index.slot(id) else {
            return Vec::new();
        };
        let mut seen = HashSet::from([start]);
        let mut waiting = vec![start];
        while let Some(cell) = waiting.pop() {
            waiting.extend(neighbours(cell).map(|edge| edge.cell).filter(|&next| seen.insert(next)));
        }
        seen.remove(&start);
        self.in_document_order(seen)
    }

    fn sort(&self, edges: &mut [Binding]) {
        let key = |edge: &Binding| (&self.index.node(edge.cell).place, &self.index.name(edge.name).text, edge.kind);
        edges.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
    }

    fn edge(&self, parent: Slot, child: Slot, binding: &Binding) -> Edge {
        Edge {
            parent: self.index.id(parent).clone(),
            child: self.index.id(child).clone(),
            name: self.index.name(binding.name).text.to_string(),
            kind: binding.kind,
        }
    }
}
