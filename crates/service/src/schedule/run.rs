//! The steps of a run, from one cell to the next.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use quire_domain::{CellId, RunDigest};

use super::{CellEnd, CellOutcome, NotebookState, Running, Schedule, Starting, Step, changes_data};

/// Maximum runs of one writer for one start of a cell: one more than is needed when each writer's value stays.
const MAX_RUNS_OF_A_WRITER: usize = 2;

/// What comes of a cell whose turn it is.
enum Start {
    /// This cell is executed: the one whose turn it is, or a writer that it needs.
    Execute(CellId),
    /// A writer that it needs failed, or is on a cycle.
    Blocked(CellId),
    /// It cannot run for this reason.
    Fail(String),
}

impl Schedule {
    /// Returns what comes next; nothing while a cell runs.
    ///
    /// At most one step is work for the kernel, and it is the last.
    pub(crate) fn next(&mut self, state: NotebookState<'_>) -> Vec<Step> {
        if self.running.is_some() {
            return Vec::new();
        }
        let names = self.take_orphans(state);
        if !names.is_empty() {
            return vec![Step::RemoveNames(names)];
        }
        let mut steps = Vec::new();
        while let Some(cell) = self.queue.first(state.graph) {
            if !self.may_start(state, &cell, &mut steps) {
                continue;
            }
            match self.start(state, &cell) {
                Start::Execute(cell) => {
                    if self.execute(state, &cell) {
                        steps.push(Step::Execute { cell });
                        return steps;
                    }
                }
                Start::Blocked(by) => self.block(state, &cell, &by, &mut steps),
                Start::Fail(reason) => self.fail(state, &cell, reason, &mut steps),
            }
        }
        self.starting = None;
        self.failed.clear();
        steps
    }

    /// Takes the end of the running cell's run. `state` is the present one, whose cell may have other code than ran.
    pub(crate) fn finished(&mut self, state: NotebookState<'_>, cell: &CellId, outcome: CellOutcome) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(running) = self.running.take_if(|running| running.cell == *cell) else { return steps };
        let has_succeeded = outcome == CellOutcome::Success;
        self.namespace.ran(cell, &running.analysis, has_succeeded.then_some(running.digest));
        self.forget_overwritten();
        self.edited.insert(cell.clone());
        let end = match outcome {
            CellOutcome::Success => CellEnd::Success,
            CellOutcome::Error => CellEnd::Error,
            CellOutcome::Interrupted => CellEnd::Interrupted,
        };
        self.end(&running.waiters, end, &mut steps);
        if has_succeeded {
            self.failed.remove(cell);
        } else if !running.is_stopped {
            self.has_failed(state, cell, running.digest, &mut steps);
        }
        steps
    }

    /// Returns `true` if the cell can start as far as it alone decides; else it leaves the queue.
    fn may_start(&mut self, state: NotebookState<'_>, id: &CellId, steps: &mut Vec<Step>) -> bool {
        let Some(cell) = state.cell(id) else {
            self.leave(id, CellEnd::Deleted, steps);
            return false;
        };
        if state.is_on_cycle(id) {
            self.fail_on_cycle(state, id, steps);
            return false;
        }
        // An edit has made it so since it was queued, as the plan has no such cell.
        if changes_data(cell) && self.queue.get(id).is_some_and(|queued| !queued.is_asked) {
            for cell in std::iter::once(id.clone()).chain(self.queued_dependents(state, id)) {
                if self.queue.get(&cell).is_some_and(|queued| !queued.is_asked) {
                    steps.push(Step::Dequeued { cell: cell.clone() });
                    self.leave(&cell, CellEnd::Cancelled, steps);
                }
            }
            return false;
        }
        true
    }

    /// Decides what comes of a cell whose turn it is.
    fn start(&mut self, state: NotebookState<'_>, cell: &CellId) -> Start {
        if self.starting.as_ref().is_none_or(|starting| starting.cell != *cell) {
            self.starting = Some(Starting { cell: cell.clone(), writers: VecDeque::new(), runs: HashMap::new() });
        }
        let Self { queue, starting: Some(starting), needs, namespace, failed, .. } = self else {
            return Start::Execute(cell.clone());
        };
        let has_failed = |id: &CellId| failed.get(id).copied() == state.cell(id).map(|cell| cell.run_digest);
        let is_refused = |id: &CellId| {
            let is_asked = queue.get(id).is_some_and(|queued| queued.is_asked);
            state.cell(id).is_none_or(|cell| changes_data(cell) && !is_asked)
        };
        let next = starting.writers.front().unwrap_or(cell);
        if !needs.are_met(state, namespace, next) {
            // What has run since may have overwritten names.
            let can_run = |id: &CellId| !state.is_on_cycle(id) && !has_failed(id) && !is_refused(id);
            let preparation = needs.prepare(state, namespace, cell, can_run);
            if let Some(by) = preparation.obstacle {
                return if is_refused(&by) { Start::Fail(must_be_asked(state, &by)) } else { Start::Blocked(by) };
            }
            let runs = |writer: &CellId| starting.runs.get(writer).copied().unwrap_or_default();
            if let Some(writer) = preparation.writers.iter().find(|writer| runs(writer) >= MAX_RUNS_OF_A_WRITER) {
                return Start::Fail(overwrites(state, writer));
            }
            starting.writers = preparation.writers;
        }
        if let Some(writer) = starting.writers.pop_front() {
            *starting.runs.entry(writer.clone()).or_default() += 1;
            return Start::Execute(writer);
        }
        self.starting = None;
        Start::Execute(cell.clone())
    }

    /// Makes the cell the running one. Returns `false` if it is not there.
    fn execute(&mut self, state: NotebookState<'_>, id: &CellId) -> bool {
        let queued = self.queue.remove(id).unwrap_or_default();
        let Some(cell) = state.cell(id) else { return false };
        // Of code that does not parse, nothing runs.
        let analysis = if cell.broken.is_some() { Arc::default() } else { Arc::clone(&cell.analysis) };
        self.running = Some(Running {
            cell: id.clone(),
            digest: cell.run_digest,
            analysis,
            waiters: queued.waiters,
            is_stopped: false,
        });
        true
    }

    /// Takes in that a cell failed: blocks those that depend on it, unless it is to run again.
    fn has_failed(&mut self, state: NotebookState<'_>, cell: &CellId, digest: RunDigest, steps: &mut Vec<Step>) {
        if self.queue.get(cell).is_some() {
            return;
        }
        self.failed.insert(cell.clone(), digest);
        // What is left to run for the present start may need the cell.
        if let Some(starting) = &mut self.starting {
            starting.writers.clear();
        }
        self.block_dependents(state, cell, cell, steps);
    }

    fn fail(&mut self, state: NotebookState<'_>, id: &CellId, reason: String, steps: &mut Vec<Step>) {
        steps.push(Step::Fail { cell: id.clone(), reason });
        self.leave(id, CellEnd::Error, steps);
        if let Some(cell) = state.cell(id) {
            self.has_failed(state, id, cell.run_digest, steps);
        }
    }

    pub(super) fn fail_on_cycle(&mut self, state: NotebookState<'_>, cell: &CellId, steps: &mut Vec<Step>) {
        steps.push(Step::FailCycle { cell: cell.clone() });
        self.leave(cell, CellEnd::Error, steps);
        self.block_dependents(state, cell, cell, steps);
    }

    /// Blocks a queued cell and those that depend on it.
    fn block(&mut self, state: NotebookState<'_>, cell: &CellId, by: &CellId, steps: &mut Vec<Step>) {
        steps.push(Step::Block { cell: cell.clone(), by: by.clone() });
        self.leave(cell, CellEnd::Blocked, steps);
        self.block_dependents(state, cell, by, steps);
    }

    fn block_dependents(&mut self, state: NotebookState<'_>, of: &CellId, by: &CellId, steps: &mut Vec<Step>) {
        for cell in self.queued_dependents(state, of) {
            // Cells on a cycle fail for that reason.
            if !state.is_on_cycle(&cell) {
                steps.push(Step::Block { cell: cell.clone(), by: by.clone() });
                self.leave(&cell, CellEnd::Blocked, steps);
            }
        }
    }

    /// Returns the queued cells that depend on a cell, directly or through queued cells, sorted by their distance.
    fn queued_dependents(&self, state: NotebookState<'_>, of: &CellId) -> Vec<CellId> {
        let mut seen = std::collections::HashSet::from([of.clone()]);
        let mut found = Vec::new();
        let mut waiting = VecDeque::from([of.clone()]);
        while let Some(cell) = waiting.pop_front() {
            for edge in state.graph.children(&cell) {
                super::work::step();
                if self.queue.get(&edge.child).is_some() && seen.insert(edge.child.clone()) {
                    found.push(edge.child.clone());
                    waiting.push_back(edge.child);
                }
            }
        }
        found
    }

    fn leave(&mut self, cell: &CellId, end: CellEnd, steps: &mut Vec<Step>) {
        self.starting.take_if(|starting| starting.cell == *cell);
        if let Some(queued) = self.queue.remove(cell) {
            self.end(&queued.waiters, end, steps);
        }
    }

    /// Removes the names that nothing writes any more, as far as they are of edited cells, and returns them sorted.
    fn take_orphans(&mut self, state: NotebookState<'_>) -> Vec<String> {
        let mut removed = Vec::new();
        for id in std::mem::take(&mut self.edited) {
            for name in self.namespace.orphans(&id, state.cell(&id)) {
                self.namespace.remove(&name);
                removed.push(name.to_string());
            }
        }
        self.forget_overwritten();
        removed.sort_unstable();
        removed
    }

    fn forget_overwritten(&mut self) {
        if self.namespace.take_overwritten() {
            self.needs.name_overwritten();
        }
    }
}

/// Names a cell in a sentence.
fn title(state: NotebookState<'_>, cell: &CellId) -> String {
    state.notebook.cell_title(cell).unwrap_or_else(|| "a deleted cell".to_owned())
}

fn must_be_asked(state: NotebookState<'_>, writer: &CellId) -> String {
    let writer = title(state, writer);
    format!("This cell needs {writer}, which changes data and runs only when it is asked for. Run that cell first.")
}

fn overwrites(state: NotebookState<'_>, writer: &CellId) -> String {
    let writer = title(state, writer);
    format!(
        "This cell needs values of {writer} and of other cells that overwrite each other's names. Give the values different \
         names."
    )
}
