//! The schedule of a notebook's runs: which cell runs next, and what becomes of those that cannot.
//!
//! A pure state machine. The run task tells it of requests, edits and ends of runs, each with the state of the notebook at that
//! time, and does the [`Step`]s that it answers. While nothing runs, it calls [`Schedule::next`] after each of them.
//!
//! - `queue` holds the cells that wait, in topological order, `requests` who waits for them;
//! - `namespace` knows which cell wrote each name last, `needs` which writers must run before a cell;
//! - `run` has the steps of a run, `types` what is told and answered.
//!
//! The rules:
//!
//! - Requests merge into one queue, in which a cell is once. Only a request for the running cell adds it again.
//! - The queue's order is that of [`quire_domain::Graph::plan`], made anew after an edit. A cell that starts has its newest code.
//! - Before a cell runs, the writers that it needs run (see `needs`). They do not bring their own descendants along.
//! - A cell that fails blocks the queued cells that depend on it, transitively. Another request for it takes that back for those
//!   that come then; so does the end of the queue.
//! - Cells on cycles fail when they are asked for, at once.
//! - A name is removed from the kernel when the cell that wrote it last is deleted or no longer writes it.

mod namespace;
mod needs;
mod queue;
mod requests;
mod run;
#[cfg(test)]
mod tests;
mod types;
mod work;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use quire_domain::{Analysis, Cell, CellId, RunDigest};

use namespace::Namespace;
use needs::Needs;
use queue::Queue;
pub use requests::{CellEnd, RunRecord};
use requests::{Requests, Waiter};
pub(crate) use requests::{RunId, TooManyRequests};
pub use types::Target;
pub(crate) use types::{CellOutcome, NotebookState, Step};

/// The schedule of one notebook with its one kernel.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    queue: Queue,
    running: Option<Running>,
    /// The preparation of the queue's first cell.
    starting: Option<Starting>,
    requests: Requests,
    namespace: Namespace,
    needs: Needs,
    /// The cells that have failed since the queue was empty, each as it was then.
    failed: HashMap<CellId, RunDigest>,
    /// The cells that may no longer write a name that they wrote last.
    edited: HashSet<CellId>,
}

/// A run that goes on.
#[derive(Debug)]
struct Running {
    cell: CellId,
    /// The cell's digest at its start.
    digest: RunDigest,
    /// The analysis of the code that runs.
    analysis: Arc<Analysis>,
    waiters: Vec<Waiter>,
    /// Set when the run was stopped with the queue, so that its failure is no reason to block what is asked for since.
    is_stopped: bool,
}

/// A cell that is about to start.
#[derive(Debug)]
struct Starting {
    cell: CellId,
    /// The writers that are to run before, in order.
    writers: VecDeque<CellId>,
    /// How often each writer has run for this start.
    runs: HashMap<CellId, usize>,
}

impl Schedule {
    /// Takes a request to run cells, and their descendants if it is `reactive`. Unknown cells are ignored.
    ///
    /// The steps tell what need not wait: the errors of cells on cycles, and the queued cells that these block.
    ///
    /// # Errors
    /// [`TooManyRequests`] when too many wait already; nothing has changed then.
    pub(crate) fn request(
        &mut self,
        state: NotebookState<'_>,
        target: &Target,
        reactive: bool,
    ) -> Result<(RunId, Vec<Step>), TooManyRequests> {
        let asked = asked(state, target);
        let plan = reactive.then(|| state.graph.plan(&asked));
        let cells = match plan {
            Some(plan) => plan.run.into_iter().chain(plan.cyclic).collect(),
            None => state.graph.in_topological_order(&asked),
        };
        let asked: HashSet<CellId> = asked.into_iter().collect();
        let on_cycle: Vec<_> = cells.iter().filter(|cell| state.is_on_cycle(cell)).cloned().collect();
        let (run, waiters) = self.requests.begin(cells)?;
        let mut steps = Vec::new();
        if waiters.is_empty() {
            steps.push(Step::RequestDone(run));
        }
        for (cell, waiter) in waiters {
            self.failed.remove(&cell);
            let is_asked = asked.contains(&cell);
            self.queue.add(cell, is_asked, waiter);
        }
        for cell in on_cycle {
            // The end of the cell's present run would otherwise hide the error.
            if self.running() != Some(&cell) {
                self.fail_on_cycle(state, &cell, &mut steps);
            }
        }
        Ok((run, steps))
    }

    /// Takes edits of the notebook, whose state after them is given. Costs a look at every name of the namespace and every queued cell.
    pub(crate) fn changed(&mut self, state: NotebookState<'_>) -> Vec<Step> {
        self.queue.notebook_changed();
        self.needs.notebook_changed();
        self.starting = None;
        let mut cells: Vec<_> = self.queue.ids().chain(self.namespace.writers()).cloned().collect();
        cells.sort_unstable();
        cells.dedup();
        let mut steps = Vec::new();
        for cell in cells {
            let is_deleted = state.cell(&cell).is_none();
            if is_deleted && let Some(queued) = self.queue.remove(&cell) {
                self.end(&queued.waiters, CellEnd::Deleted, &mut steps);
            }
            if is_deleted {
                self.failed.remove(&cell);
            }
            if self.namespace.has_names_of(&cell) {
                self.edited.insert(cell);
            }
        }
        steps
    }

    /// Empties the queue. The caller then interrupts what runs, whose end follows.
    pub(crate) fn stop(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (cell, queued) in self.queue.drain() {
            steps.push(Step::Dequeued { cell });
            self.end(&queued.waiters, CellEnd::Cancelled, &mut steps);
        }
        self.starting = None;
        self.failed.clear();
        if let Some(running) = &mut self.running {
            running.is_stopped = true;
        }
        steps
    }

    /// Takes the end of the kernel: empties the queue and the namespace. What was running ([`Self::running`] before) has failed, which
    /// the caller tells with the reason.
    pub(crate) fn kernel_ended(&mut self) -> Vec<Step> {
        let mut steps = self.stop();
        if let Some(running) = self.running.take() {
            self.end(&running.waiters, CellEnd::Error, &mut steps);
        }
        self.namespace = Namespace::default();
        self.needs = Needs::default();
        self.edited.clear();
        steps
    }

    /// Returns `true` if nothing runs and nothing is queued.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none() && self.queue.is_empty()
    }

    /// Returns the cell that runs.
    pub(crate) fn running(&self) -> Option<&CellId> {
        self.running.as_ref().map(|running| &running.cell)
    }

    /// Returns the queued cells in the order in which they are to run.
    pub(crate) fn queued(&mut self, state: NotebookState<'_>) -> Vec<CellId> {
        self.queue.in_order(state.graph)
    }

    /// Returns the record of a request; `None` when it is unknown, or was done long ago.
    pub(crate) fn record(&self, run: RunId) -> Option<&RunRecord> {
        self.requests.record(run)
    }

    /// Records the end of a cell, and tells which requests are done with it.
    fn end(&mut self, waiters: &[Waiter], end: CellEnd, steps: &mut Vec<Step>) {
        steps.extend(self.requests.end(waiters, end).into_iter().map(Step::RequestDone));
    }
}

/// Returns the cells that a request asks for.
fn asked(state: NotebookState<'_>, target: &Target) -> Vec<CellId> {
    let all = state.notebook.cells.iter();
    match target {
        Target::Cells(cells) => cells.clone(),
        Target::All => all.map(|cell| cell.id.clone()).collect(),
        Target::Stale => {
            let outdated: Vec<_> = all.filter(|cell| cell.is_stale()).collect();
            let changing: Vec<_> =
                outdated.iter().filter(|cell| changes_data(cell)).map(|cell| cell.id.clone()).collect();
            let plan = state.graph.plan(&changing);
            let left_out: HashSet<CellId> = [plan.run, plan.cyclic, plan.stale].into_iter().flatten().collect();
            outdated.into_iter().map(|cell| cell.id.clone()).filter(|cell| !left_out.contains(cell)).collect()
        }
    }
}

/// Returns `true` for SQL that changes data, which runs only when it is asked for.
fn changes_data(cell: &Cell) -> bool {
    cell.cell_type == quire_domain::CellType::Sql && cell.analysis.changes_data
}
