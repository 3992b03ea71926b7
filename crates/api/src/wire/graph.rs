//! The dependency graph of a notebook.

use quire_domain::{Cell, CellId, CellType, Cycle, CycleTexts, Dependency, EdgeKind, Graph, Notebook, Revision};
use quire_service::NotebookView;
use serde::Serialize;
use utoipa::ToSchema;

use super::names::{CellTypeName, EdgeKindName};

/// The dependency graph of a notebook at a revision.
#[derive(Serialize, ToSchema)]
#[schema(as = Graph)]
pub(crate) struct GraphOut<'a> {
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// `true` while the database is away, so that another server may have changed the notebook since; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    stale: bool,
    /// In document order.
    nodes: Vec<NodeOut<'a>>,
    /// In the document order of the reading cells. A name that a cell reads is in one edge at most.
    edges: Vec<EdgeOut<'a>>,
    cycles: Vec<CycleOut<'a>>,
    diagnostics: Vec<DiagnosticOut<'a>>,
}

/// A cell, and the names that it reads and writes.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphNode)]
struct NodeOut<'a> {
    cell_id: &'a str,
    #[schema(value_type = CellTypeName)]
    r#type: CellType,
    reads: Vec<&'a str>,
    writes: Vec<&'a str>,
}

/// A dependency: `to` reads `names` of `from`. There is one edge for each pair of cells and kind.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphEdge)]
struct EdgeOut<'a> {
    from: &'a str,
    to: &'a str,
    /// The first of `names`.
    name: &'a str,
    /// All names that `to` reads of `from` in this kind, sorted.
    names: &'a [&'a str],
    #[schema(value_type = EdgeKindName)]
    kind: &'static str,
}

/// A cycle of cells that depend on each other.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphCycle)]
struct CycleOut<'a> {
    /// In document order.
    cell_ids: Vec<&'a str>,
    /// One path around the cycle: the name that each cell gives to the next, and the last to the first.
    path: Vec<StepOut<'a>>,
    detail: String,
}

/// A cell of a cycle's path, and the name that the next cell reads of it.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphStep)]
struct StepOut<'a> {
    cell_id: &'a str,
    name: &'a str,
}

/// A hint. Only a cycle keeps cells from running.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphDiagnostic)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum DiagnosticOut<'a> {
    /// The code does not parse. The graph has the names of the last code that did.
    Syntax { cell_id: &'a str, detail: &'a str, line: u32, column: u32 },
    /// The cell reads names that only later cells write; `name` is the first of them.
    DefinedLater { cell_id: &'a str, name: &'a str, names: &'a [&'a str], writer_id: &'a str },
    /// Several cells write the name.
    MultipleDefinition { name: String, cell_ids: Vec<String> },
}

impl<'a> GraphOut<'a> {
    pub(crate) fn new(view: &'a NotebookView, graph: &'a Graph, edges: &'a [Dependency<'a>]) -> Self {
        let notebook = &view.notebook;
        let texts = notebook.cycle_texts();
        Self {
            revision: notebook.revision,
            stale: view.is_stale,
            nodes: notebook.cells.iter().map(|cell| node(cell)).collect(),
            edges: edges.iter().map(edge).collect(),
            cycles: graph.cycles().map(|found| cycle(found, &texts)).collect(),
            diagnostics: diagnostics(notebook, graph, edges),
        }
    }
}

fn node(cell: &Cell) -> NodeOut<'_> {
    let (reads, writes) = (cell.reads().collect(), cell.writes().collect());
    NodeOut { cell_id: cell.id.as_str(), r#type: cell.cell_type, reads, writes }
}

fn edge<'a>(Dependency { parent, child, names, kind, .. }: &'a Dependency<'a>) -> EdgeOut<'a> {
    let kind = match kind {
        EdgeKind::Eager => "eager",
        EdgeKind::Deferred => "deferred",
        EdgeKind::Table => "table",
    };
    EdgeOut { from: parent.as_str(), to: child.as_str(), name: first(names), names, kind }
}

/// Returns the first name; every edge has at least one.
fn first<'a>(names: &[&'a str]) -> &'a str {
    names.first().copied().unwrap_or_default()
}

fn cycle<'a>(cycle: &'a Cycle, texts: &CycleTexts) -> CycleOut<'a> {
    CycleOut {
        cell_ids: cycle.cells.iter().map(CellId::as_str).collect(),
        path: cycle.path.iter().map(|(cell, name)| StepOut { cell_id: cell.as_str(), name }).collect(),
        detail: texts.of(cycle).to_owned(),
    }
}

fn diagnostics<'a>(notebook: &'a Notebook, graph: &Graph, edges: &'a [Dependency<'a>]) -> Vec<DiagnosticOut<'a>> {
    let syntax = notebook.cells.iter().filter_map(|cell| {
        let broken = cell.broken.as_deref()?;
        let (line, column) = (broken.line, broken.column);
        Some(DiagnosticOut::Syntax { cell_id: cell.id.as_str(), detail: &broken.message, line, column })
    });
    let later = edges.iter().filter(|edge| edge.is_below);
    let later = later.map(|Dependency { parent, child, names, .. }| DiagnosticOut::DefinedLater {
        cell_id: child.as_str(),
        name: first(names),
        names,
        writer_id: parent.as_str(),
    });
    let several = graph.multiple_definitions().into_iter().map(|(name, cells)| DiagnosticOut::MultipleDefinition {
        name,
        cell_ids: cells.iter().map(ToString::to_string).collect(),
    });
    syntax.chain(later).chain(several).collect()
}
