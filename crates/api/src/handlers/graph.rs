//! The route of the dependency graph.

use std::sync::Arc;

use actix_web::web;
use quire_domain::{Cell, Graph, Notebook};
use quire_service::NotebookView;

use crate::app_state::AppState;
use crate::extract::{Caller, NotebookPath};
use crate::response::{HandlerResult, MAX_CHUNK_BYTES, json_bytes, read, render, resource};
use crate::wire::GraphOut;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/notebooks/{id}/graph", "GET, HEAD").route(read().to(get)));
}

/// Reads the dependency graph of a notebook.
#[utoipa::path(
    get,
    path = "/api/notebooks/{id}/graph",
    operation_id = "getGraph",
    tag = "Notebooks",
    params(NotebookPath),
    responses((status = 200, description = "The graph, with its cycles and diagnostics.", body = GraphOut)),
)]
pub(crate) async fn get(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
) -> HandlerResult {
    let view = state.read(state.service.get(&user, &id)).await?;
    // Reserved before the work, so that no work is done for a client that does not read its responses.
    let size = graph_size(&view.notebook);
    let hold = if size > MAX_CHUNK_BYTES { Some(state.hold_response(&user, size)?) } else { None };
    let write = move |view: &NotebookView, graph: &Graph| {
        let edges: Vec<_> = graph.dependencies().collect();
        render(size, &GraphOut::new(view, graph, &edges))
    };
    let bytes = state.read(state.service.with_graph(view, write)).await??;
    let length = bytes.len();
    let mut response = json_bytes(bytes);
    if let Some(mut hold) = hold {
        hold.adjust_to(length);
        response.extensions_mut().insert(hold);
    }
    Ok(response)
}

/// Estimates the bytes of a graph as JSON: each name is with its cell, and at most once more with an edge.
fn graph_size(notebook: &Notebook) -> usize {
    let of_cell = |cell: &Arc<Cell>| {
        let reads: usize = cell.reads().map(|name| 2 * (name.len() + 4)).sum();
        let writes: usize = cell.writes().map(|name| name.len() + 4).sum();
        256 + 4 * cell.id.as_str().len() + reads + writes
    };
    512 + notebook.cells.iter().map(of_cell).sum::<usize>()
}
