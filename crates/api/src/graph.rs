//! The dependency graph of a notebook.

use actix_web::web;
use quire_domain::{Cell, CellId, CellType, Cycle, Edge, EdgeKind, Graph, Notebook, Revision};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, json, read, resource};
use crate::guard::Caller;
use crate::openapi::{CellTypeName, EdgeKindName};
use crate::path::NotebookPath;
use crate::shared::Shared;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/notebooks/{id}/graph", "GET, HEAD").route(read().to(get)));
}

/// Reads which cell takes which name from which.
#[utoipa::path(
    get,
    path = "/api/notebooks/{id}/graph",
    operation_id = "getGraph",
    tag = "Notebooks",
    params(NotebookPath),
    responses((status = 200, description = "The graph, with its cycles and what is worth knowing.", body = GraphOut)),
)]
pub(crate) async fn get(shared: web::Data<Shared>, Caller(user): Caller, NotebookPath(id): NotebookPath) -> Answer {
    let (published, graph) = shared.read(shared.service.graph(&user, &id)).await?;
    let edges: Vec<_> = graph.edges().collect();
    json(512 + 256 * edges.len(), &GraphOut::new(&published.notebook, &graph, &edges))
}

/// Which cell depends on which, at one revision.
#[derive(Serialize, ToSchema)]
#[schema(as = Graph)]
pub(crate) struct GraphOut<'a> {
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// In document order.
    nodes: Vec<NodeOut<'a>>,
    /// By the places of the cells that read.
    edges: Vec<EdgeOut<'a>>,
    cycles: Vec<CycleOut<'a>>,
    diagnostics: Vec<DiagnosticOut<'a>>,
}

/// A cell, and the names that it takes and gives.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphNode)]
struct NodeOut<'a> {
    cell_id: &'a str,
    #[schema(value_type = CellTypeName)]
    r#type: CellType,
    reads: Vec<&'a str>,
    writes: Vec<&'a str>,
}

/// `to` takes `name` from `from`.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphEdge)]
struct EdgeOut<'a> {
    from: &'a str,
    to: &'a str,
    name: &'a str,
    #[schema(value_type = EdgeKindName)]
    kind: &'static str,
}

/// Cells that wait for each other.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphCycle)]
struct CycleOut<'a> {
    /// In document order.
    cell_ids: Vec<&'a str>,
    /// One way around: what each cell gives to the next, the last to the first.
    path: Vec<StepOut<'a>>,
    detail: String,
}

/// A cell, and what it gives to the next.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphStep)]
struct StepOut<'a> {
    cell_id: &'a str,
    name: &'a str,
}

/// Something worth knowing; only a cycle keeps cells from running.
#[derive(Serialize, ToSchema)]
#[schema(as = GraphDiagnostic)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum DiagnosticOut<'a> {
    /// The code does not parse; the graph has what the last code that did read and wrote.
    Syntax { cell_id: &'a str, detail: &'a str, line: u32, column: u32 },
    /// The cell reads a name that is written only further down.
    DefinedLater { cell_id: &'a str, name: &'a str, writer_id: &'a str },
    /// Several cells write the name.
    MultipleDefinition { name: String, cell_ids: Vec<String> },
}

impl<'a> GraphOut<'a> {
    fn new(notebook: &'a Notebook, graph: &'a Graph, edges: &'a [Edge]) -> Self {
        Self {
            revision: notebook.revision,
            nodes: notebook.cells.iter().map(|cell| node(cell)).collect(),
            edges: edges.iter().map(edge).collect(),
            cycles: graph.cycles().map(|found| cycle(found)).collect(),
            diagnostics: diagnostics(notebook, graph, edges),
        }
    }
}

fn node(cell: &Cell) -> NodeOut<'_> {
    let (reads, writes) = (cell.reads().collect(), cell.writes().collect());
    NodeOut { cell_id: cell.id.as_str(), r#type: cell.cell_type, reads, writes }
}

fn edge(Edge { parent, child, name, kind }: &Edge) -> EdgeOut<'_> {
    let kind = match kind {
        EdgeKind::Eager => "eager",
        EdgeKind::Deferred => "deferred",
        EdgeKind::Table => "table",
    };
    EdgeOut { from: parent.as_str(), to: child.as_str(), name, kind }
}

fn cycle(cycle: &Cycle) -> CycleOut<'_> {
    CycleOut {
        cell_ids: cycle.cells.iter().map(CellId::as_str).collect(),
        path: cycle.path.iter().map(|(cell, name)| StepOut { cell_id: cell.as_str(), name }).collect(),
        detail: cycle.to_string(),
    }
}

fn diagnostics<'a>(notebook: &'a Notebook, graph: &Graph, edges: &'a [Edge]) -> Vec<DiagnosticOut<'a>> {
    let place: std::collections::HashMap<&CellId, usize> =
        notebook.cells.iter().enumerate().map(|(place, cell)| (&cell.id, place)).collect();
    let syntax = notebook.cells.iter().filter_map(|cell| {
        let broken = cell.broken.as_deref()?;
        let (line, column) = (broken.line, broken.column);
        Some(DiagnosticOut::Syntax { cell_id: cell.id.as_str(), detail: &broken.message, line, column })
    });
    let later = edges.iter().filter(|edge| place.get(&edge.parent) > place.get(&edge.child));
    let later = later.map(|Edge { parent, child, name, .. }| DiagnosticOut::DefinedLater {
        cell_id: child.as_str(),
        name,
        writer_id: parent.as_str(),
    });
    let several = graph.multiple_definitions().into_iter().map(|(name, cells)| DiagnosticOut::MultipleDefinition {
        name,
        cell_ids: cells.iter().map(ToString::to_string).collect(),
    });
    syntax.chain(later).chain(several).collect()
}
