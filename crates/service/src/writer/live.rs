//! What cells that run have printed and put out so far: shown to readers, and stored when the run ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use quire_domain::{CellId, CellStatus, Change, Notebook, Results};

use crate::event::{RunUpdate, RunUpdateKind, Told};

/// The cells that run, with their results so far.
#[derive(Debug, Default)]
pub(super) struct LiveResults(BTreeMap<CellId, LiveCell>);

#[derive(Debug)]
struct LiveCell {
    results: Arc<Results>,
    /// The number of the event that began the run, or told it from its beginning again.
    since: u64,
}

impl LiveResults {
    /// Adds an update of a run, whose event has this number. Updates of a cell that does not run are told alone.
    pub(super) fn add(&mut self, RunUpdate { cell, kind }: &RunUpdate, number: u64) {
        if let RunUpdateKind::Status(status) = kind {
            if *status == CellStatus::Running {
                let results = Arc::new(Results { status: CellStatus::Running, ..Results::default() });
                self.0.insert(cell.clone(), LiveCell { results, since: number });
            } else {
                self.0.remove(cell);
            }
            return;
        }
        let Some(live) = self.0.get_mut(cell) else { return };
        let results = Arc::make_mut(&mut live.results);
        match kind {
            RunUpdateKind::Status(_) => {}
            RunUpdateKind::Stdout(text) => results.stdout.push_str(text),
            RunUpdateKind::Error(text) => results.error = Some(text.clone()),
            RunUpdateKind::Output(output) => results.outputs.push(output.clone()),
        }
    }

    /// Takes the runs that a durable change ends, and those of deleted cells. Returns what watchers have been told of their results,
    /// where that is the beginning of what is stored now.
    pub(super) fn settle(&mut self, change: &Change) -> Vec<Told> {
        let mut told = Vec::new();
        for cell in &change.cells {
            let Some(live) = self.0.get(&cell.id) else { continue };
            let Some(after) = &cell.after else {
                self.0.remove(&cell.id);
                continue;
            };
            let has_results = change.is_results() || cell.before.as_ref().is_some_and(|b| b.results != after.results);
            if !has_results {
                continue;
            }
            let (so_far, stored) = (&live.results, &after.results);
            if stored.stdout.starts_with(&so_far.stdout) && stored.outputs.starts_with(&so_far.outputs) {
                let (stdout, outputs) = (so_far.stdout.len(), so_far.outputs.len());
                told.push(Told { cell: cell.id.clone(), since: live.since, stdout, outputs });
            }
            if stored.status != CellStatus::Running {
                self.0.remove(&cell.id);
            }
        }
        told
    }

    /// Returns the notebook as it is shown, and whether that differs from `stored`.
    pub(super) fn shown(&self, stored: &Notebook) -> (Notebook, bool) {
        let mut shown = stored.clone();
        let mut is_running = false;
        for (id, live) in &self.0 {
            is_running |= shown.cells.set_results(id, &live.results);
        }
        (shown, is_running)
    }

    /// Returns the notebook of a change's event: the cells that it changes have their results so far.
    pub(super) fn shown_in(&self, mut notebook: Notebook, change: &Change) -> Notebook {
        for cell in &change.cells {
            if let Some(live) = self.0.get(&cell.id) {
                notebook.cells.set_results(&cell.id, &live.results);
            }
        }
        notebook
    }

    /// Adds up the bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.values().map(|live| live.results.bytes()).sum()
    }
}
