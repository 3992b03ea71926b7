//! The graph's rules written down once more, slowly and plainly, to compare with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quire_domain::{Cell, CellId, Cycle, Edge, EdgeKind, Graph, GraphDiagnostic, Plan};

type Matrix = Vec<Vec<bool>>;

pub(crate) struct Model {
    /// In document order; all other numbers are indices in here.
    cells: Vec<Arc<Cell>>,
    /// Parent, child, name, kind.
    edges: Vec<(usize, usize, String, EdgeKind)>,
    /// Whether the second is reached from the first over one edge or more.
    reach: Matrix,
    /// The same over eager and table edges.
    hard_reach: Matrix,
}

impl Model {
    pub(crate) fn new(cells: impl IntoIterator<Item = Arc<Cell>>) -> Self {
        let mut cells: Vec<_> = cells.into_iter().collect();
        cells.sort_by_key(|cell| (cell.order.clone(), cell.id.clone()));
        let edges = edges(&cells);
        let reach = closure(cells.len(), edges.iter());
        let hard_reach = closure(cells.len(), edges.iter().filter(|edge| is_hard(edge)));
        Self { cells, edges, reach, hard_reach }
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.cells.len()
    }

    fn id(&self, cell: usize) -> CellId {
        self.cells[cell].id.clone()
    }

    fn ids(&self, cells: impl IntoIterator<Item = usize>) -> Vec<CellId> {
        cells.into_iter().map(|cell| self.id(cell)).collect()
    }

    fn edge(&self, (parent, child, name, kind): &(usize, usize, String, EdgeKind)) -> Edge {
        Edge { parent: self.id(*parent), child: self.id(*child), name: name.clone(), kind: *kind }
    }

    fn parents(&self, cell: usize) -> Vec<Edge> {
        let edges = self.edges.iter().filter(|(_, child, ..)| *child == cell);
        let edges: BTreeSet<_> = edges.map(|(p, c, name, kind)| (*p, name.clone(), *kind, *c)).collect();
        edges.into_iter().map(|(p, name, kind, c)| self.edge(&(p, c, name, kind))).collect()
    }

    fn children(&self, cell: usize) -> Vec<Edge> {
        let edges = self.edges.iter().filter(|(parent, ..)| *parent == cell);
        let edges: BTreeSet<_> = edges.map(|(p, c, name, kind)| (*c, name.clone(), *kind, *p)).collect();
        edges.into_iter().map(|(c, name, kind, p)| self.edge(&(p, c, name, kind))).collect()
    }

    fn ancestors(&self, cell: usize) -> Vec<CellId> {
        self.ids(self.all().filter(|&other| other != cell && self.reach[other][cell]))
    }

    fn descendants(&self, cell: usize) -> Vec<CellId> {
        self.ids(self.all().filter(|&other| other != cell && self.reach[cell][other]))
    }

    /// The cells of this one's component over hard edges.
    fn unit(&self, cell: usize) -> Vec<usize> {
        let with = |other: &usize| *other == cell || (self.hard_reach[cell][*other] && self.hard_reach[*other][cell]);
        self.all().filter(with).collect()
    }

    fn cycles(&self) -> Vec<Cycle> {
        let firsts = self.all().filter(|&cell| self.unit(cell)[0] == cell);
        let units = firsts.map(|first| self.unit(first)).filter(|unit| unit.len() > 1);
        units.map(|unit| self.cycle(&unit)).collect()
    }

    fn cycle(&self, unit: &[usize]) -> Cycle {
        let names = |parent: usize, child: usize| {
            let between = self.edges.iter().filter(move |edge| edge.0 == parent && edge.1 == child && is_hard(edge));
            between.map(|edge| edge.2.clone()).min()
        };
        // How far each cell is from the first, going along the edges; at least one step.
        let first = unit[0];
        let mut far: BTreeMap<usize, usize> = BTreeMap::new();
        for steps in 1..=unit.len() {
            for &cell in unit {
                let next = |next: &usize| *next != first && far.get(next) == Some(&(steps - 1));
                let near = |other: &usize| {
                    names(cell, *other).is_some() && if steps == 1 { *other == first } else { next(other) }
                };
                if !far.contains_key(&cell) && unit.iter().any(near) {
                    far.insert(cell, steps);
                }
            }
        }
        let mut path = Vec::new();
        let mut cell = first;
        let mut left = far[&first];
        while left > 0 {
            left -= 1;
            let nearer = |next: &usize| if left == 0 { *next == first } else { far[next] == left && *next != first };
            let next = unit.iter().copied().find(|next| names(cell, *next).is_some() && nearer(next)).unwrap();
            path.push((self.id(cell), names(cell, next).unwrap()));
            cell = next;
        }
        Cycle { cells: self.ids(unit.iter().copied()), path }
    }

    fn diagnostics(&self, cell: usize) -> Vec<GraphDiagnostic> {
        let mut diagnostics = BTreeSet::new();
        for (parent, child, name, _) in &self.edges {
            if *child == cell && *parent > cell {
                diagnostics.insert(GraphDiagnostic::DefinedLater { name: name.clone(), writer: self.id(*parent) });
            }
        }
        for name in self.cells[cell].writes() {
            let writes = |other: &usize| *other != cell && self.cells[*other].writes().any(|n| n == name);
            let others = self.ids(self.all().filter(writes));
            if !others.is_empty() {
                diagnostics.insert(GraphDiagnostic::MultipleDefinition { name: name.to_owned(), others });
            }
        }
        diagnostics.into_iter().collect()
    }

    /// Unit by unit: always the first in the document that waits for none.
    fn order(&self, among: &[usize]) -> Vec<usize> {
        let inside: Vec<_> =
            self.edges.iter().filter(|(parent, child, ..)| among.contains(parent) && among.contains(child)).collect();
        let reach = closure(self.cells.len(), inside.iter().copied());
        let hard = closure(self.cells.len(), inside.iter().copied().filter(|edge| is_hard(edge)));
        let together = |reach: &Matrix, a: usize, b: usize| a == b || (reach[a][b] && reach[b][a]);
        let mut left: Vec<usize> = among.to_vec();
        left.sort_unstable();
        let mut order = Vec::new();
        while !left.is_empty() {
            let unit = |cell: usize| -> Vec<usize> {
                left.iter().copied().filter(|&other| together(&hard, cell, other)).collect()
            };
            let is_ready = |cell: &usize| {
                unit(*cell).into_iter().all(|member| {
                    inside.iter().all(|edge| {
                        let (parent, child) = (edge.0, edge.1);
                        let counts = is_hard(edge) || !together(&reach, parent, child);
                        child != member || !left.contains(&parent) || together(&hard, parent, child) || !counts
                    })
                })
            };
            let next = left.iter().copied().find(is_ready).unwrap();
            let unit = unit(next);
            left.retain(|cell| !unit.contains(cell));
            order.extend(unit);
        }
        order
    }

    fn plan(&self, asked: &[CellId]) -> Plan {
        let asked: BTreeSet<usize> = self.all().filter(|&cell| asked.contains(&self.id(cell))).collect();
        let spread = |from: &BTreeSet<usize>, through: &dyn Fn(usize) -> bool, to: &dyn Fn(usize) -> bool| {
            let mut all = from.clone();
            for _ in self.all() {
                for (parent, child, ..) in &self.edges {
                    if all.contains(parent) && through(*parent) && to(*child) {
                        all.insert(*child);
                    }
                }
            }
            all
        };
        let all = spread(&asked, &|cell| self.cells[cell].broken.is_none(), &|_| true);
        let on_cycle = all.iter().copied().filter(|&cell| self.unit(cell).len() > 1).collect();
        let cyclic = spread(&on_cycle, &|_| true, &|cell| all.contains(&cell));
        let able: BTreeSet<_> = all.difference(&cyclic).copied().collect();
        let changing =
            able.iter().copied().filter(|cell| self.cells[*cell].analysis.changes_data && !asked.contains(cell));
        let hanging = spread(&changing.collect(), &|_| true, &|cell| able.contains(&cell));
        let stale: BTreeSet<_> = hanging.difference(&asked).copied().collect();
        let run: Vec<_> = able.difference(&stale).copied().collect();
        Plan { run: self.ids(self.order(&run)), cyclic: self.ids(cyclic), stale: self.ids(stale) }
    }
}

fn is_hard(edge: &(usize, usize, String, EdgeKind)) -> bool {
    edge.3 != EdgeKind::Deferred
}

fn edges(cells: &[Arc<Cell>]) -> Vec<(usize, usize, String, EdgeKind)> {
    let mut edges = Vec::new();
    for (reader, cell) in cells.iter().enumerate() {
        let above = (0..reader).rev();
        let below = reader + 1..cells.len();
        let mut kinds: BTreeMap<&str, EdgeKind> = BTreeMap::new();
        for read in cell.analysis.reads.iter().chain(&cell.analysis.builtins_read) {
            let eager_elsewhere = kinds.get(read.name.as_str()) == Some(&EdgeKind::Eager);
            let kind = if read.deferred && !eager_elsewhere { EdgeKind::Deferred } else { EdgeKind::Eager };
            kinds.insert(&read.name, kind);
        }
        for (name, kind) in kinds {
            let writes = |other: &usize| cells[*other].analysis.writes.iter().any(|n| n == name);
            let plain = cell.analysis.reads.iter().any(|read| read.name == name);
            let reads = |other: &usize| {
                let analysis = &cells[*other].analysis;
                analysis.reads.iter().chain(&analysis.builtins_read).any(|read| read.name == name)
            };
            // Built-ins do not bind below, nor does a cell that rewrites the name to another that does.
            let bound_below = || {
                let nearest = below.clone().find(writes)?;
                (plain && !(writes(&reader) && reads(&nearest))).then_some(nearest)
            };
            if let Some(writer) = above.clone().find(writes).or_else(bound_below) {
                edges.push((writer, reader, name.to_owned(), kind));
            }
        }
        for table in &cell.analysis.tables_read {
            let writes = |other: &usize| cells[*other].analysis.tables_written.contains(table);
            if let Some(writer) = above.clone().find(writes) {
                edges.push((writer, reader, table.clone(), EdgeKind::Table));
            }
        }
    }
    edges
}

/// Warshall's algorithm.
fn closure<'a>(cells: usize, edges: impl Iterator<Item = &'a (usize, usize, String, EdgeKind)>) -> Matrix {
    let mut reach = vec![vec![false; cells]; cells];
    for edge in edges {
        reach[edge.0][edge.1] = true;
    }
    for via in 0..cells {
        for from in 0..cells {
            for to in 0..cells {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
    reach
}

/// Compares all that a graph answers with the model, with plans for each cell and for these together.
pub(crate) fn assert_like_model(graph: &Graph, cells: impl IntoIterator<Item = Arc<Cell>>, asked: &[CellId]) {
    let model = Model::new(cells);
    let cycles: Vec<Cycle> = graph.cycles().map(|cycle| (**cycle).clone()).collect();
    assert_eq!(cycles, model.cycles());
    assert_eq!(graph.topological_order(), model.ids(model.order(&model.all().collect::<Vec<_>>())));
    assert_eq!(graph.plan(asked), model.plan(asked));
    let mut edges = Vec::new();
    for cell in model.all() {
        let id = model.id(cell);
        assert_eq!(graph.parents(&id), model.parents(cell), "parents of {id}");
        assert_eq!(graph.children(&id), model.children(cell), "children of {id}");
        assert_eq!(graph.ancestors(&id), model.ancestors(cell), "ancestors of {id}");
        assert_eq!(graph.descendants(&id), model.descendants(cell), "descendants of {id}");
        assert_eq!(graph.diagnostics(&id), model.diagnostics(cell), "diagnostics of {id}");
        assert_eq!(graph.cycle(&id).map(|cycle| &**cycle), cycles.iter().find(|c| c.cells.contains(&id)));
        let asked = std::slice::from_ref(&id);
        assert_eq!(graph.plan(asked), model.plan(asked), "plan of {id}");
        edges.extend(model.parents(cell));
    }
    assert_eq!(graph.edges().collect::<Vec<_>>(), edges);
    let mut taken_apart = Vec::new();
    for together in graph.dependencies() {
        assert!(together.names.is_sorted() && !together.names.is_empty());
        taken_apart.extend(together.names.iter().map(|name| Edge {
            parent: together.parent.clone(),
            child: together.child.clone(),
            name: (*name).to_owned(),
            kind: together.kind,
        }));
    }
    let pairs = edges.iter().map(|edge| (&edge.parent, &edge.child, edge.kind));
    assert_eq!(graph.dependencies().count(), pairs.collect::<std::collections::HashSet<_>>().len());
    taken_apart.sort();
    let mut sorted = edges.clone();
    sorted.sort();
    assert_eq!(taken_apart, sorted);
}
