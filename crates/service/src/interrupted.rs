//! Runs that no kernel goes on with, as a server that was stopped leaves them in the store.

use std::sync::Arc;

use quire_domain::{Cell, CellStatus, Notebook, Results};

/// Makes the cells that a store has as `running` `idle` and stale, with the text and the outputs of their run so far: a writer task that
/// opens a notebook runs nothing. Cells whose results `known` has, with whatever status, keep that: the run goes on, or is known to have
/// been interrupted.
pub(crate) fn end_interrupted(mut notebook: Notebook, known: Option<&Notebook>) -> Notebook {
    let is_running = |cell: &Cell| cell.results.status == CellStatus::Running;
    if !notebook.cells.iter().any(|cell| is_running(cell)) {
        return notebook;
    }
    let results_of = |cell: &Cell| {
        let idle = Results { status: CellStatus::Idle, run_digest: None, ..Results::clone(&cell.results) };
        match known.and_then(|known| known.cells.find(&cell.id)) {
            Some(known) if *known.results == idle => Arc::clone(&known.results),
            _ if known.is_none() => Arc::new(idle),
            // Another server may be running it.
            _ => Arc::clone(&cell.results),
        }
    };
    let cells = notebook.cells.iter().map(|cell| {
        if is_running(cell) {
            Arc::new(Cell { results: results_of(cell), ..Cell::clone(cell) })
        } else {
            Arc::clone(cell)
        }
    });
    notebook.cells = cells.collect();
    notebook
}
