//! The steps of a run: what is executed, and what becomes of cells that are not.

use std::sync::Arc;

use quire_domain::{Cell, CellId, CellStatus, CellType, Results};
use quire_execution::{Execution, KernelRequest};

use super::executing::Executing;
use super::kernel_slot::KernelSlot;
use super::reporter::Report;
use super::task::RunTask;
use crate::published::Published;
use crate::schedule::{CellOutcome, NotebookState, Step};
use crate::{RunUpdate, RunUpdateKind};

impl RunTask {
    pub(super) async fn execute(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Execute { cell } => self.begin(&cell).await,
                Step::RemoveNames(names) => self.remove(&names).await,
                Step::Block { cell, by } => {
                    let reason = format!("Blocked by {}, which failed.", self.title(&by));
                    self.reports.push_back(Report::Blocked { cell, reason });
                }
                Step::FailCycle { cell } => {
                    let Some((published, _)) = &self.known else { continue };
                    let Some(cycle) = published.stored.cycles.get(&cell) else { continue };
                    let text = published.stored.cycle_texts_of([&cell]).of(cycle).to_owned();
                    for kind in [RunUpdateKind::Status(CellStatus::Error), RunUpdateKind::Error(text)] {
                        self.reports.push_back(Report::Update(RunUpdate { cell: cell.clone(), kind }));
                    }
                }
                Step::Fail { cell, reason } => {
                    let Some(failed) = self.cell(&cell) else { continue };
                    let results = Results { status: CellStatus::Error, error: Some(reason), ..Results::default() };
                    self.report_results(&failed, results);
                }
                Step::Dequeued { .. } => {} // it shows its last results all the time
                Step::RequestDone(run) => {
                    for reply in self.waiting.remove(&run).unwrap_or_default() {
                        let shown = self.shown(run);
                        self.reports.push_back(Report::Reply(reply, shown));
                    }
                }
            }
        }
    }

    /// Begins to execute a cell with the code that it has now.
    async fn begin(&mut self, id: &CellId) {
        let Some(cell) = self.cell(id) else { return };
        let executing = Executing::new(Arc::clone(&cell), self.service.shared.sources.now());
        if cell.cell_type == CellType::Sql {
            let reason = "SQL cells cannot be run by this version.".to_owned();
            self.executing = Some(executing);
            return self.finish(Some(reason), CellOutcome::Error).await;
        }
        self.reports.push_back(Report::Update(executing.first_update()));
        self.executing = Some(executing);
        if self.kernel.is_ready() {
            self.execute_code(&cell).await;
        } else {
            self.start_kernel();
        }
    }

    pub(super) async fn execute_code(&mut self, cell: &Cell) {
        let position = self.position(&cell.id);
        self.kernel.execute(Execution { code: &cell.code, position: Some(position) }).await;
    }

    pub(super) fn start_kernel(&mut self) {
        let request = KernelRequest { user: self.user.to_string(), notebook: self.id.to_string() };
        self.kernel.start(&self.service.shared.runtime, &self.provider, request);
    }

    async fn remove(&mut self, names: &[String]) {
        if !self.kernel.is_ready() {
            return;
        }
        // Names are identifiers, which JSON writes as Python does.
        let names = serde_json::to_string(names).unwrap_or_default();
        let code = format!("for __quire_name in {names} + ['__quire_name']: globals().pop(__quire_name, None)");
        self.is_removing = true;
        self.kernel.execute(Execution { code: &code, position: None }).await;
    }

    /// Ends the execution of the cell, with the error if it failed.
    pub(super) async fn finish(&mut self, error: Option<String>, outcome: CellOutcome) {
        let Some(executing) = self.executing.take() else { return };
        let (cell, code_digest) = (executing.cell.id.clone(), executing.code_digest.clone());
        let results = executing.finish(error, self.service.shared.sources.now());
        self.reports.push_back(Report::Results { cell: cell.clone(), code_digest, results });
        // The state in which it began, or a later one.
        let Some((published, graph)) = self.known.clone() else { return };
        let state = NotebookState { notebook: &published.stored, graph: &graph };
        let steps = self.schedule.finished(state, &cell, outcome);
        Box::pin(self.execute(steps)).await;
    }

    /// Takes over the end of the kernel: what was executed has failed, and nothing is left in the queue.
    pub(super) async fn end_kernel(&mut self, reason: String) {
        tracing::info!(notebook = %self.id, reason, "a kernel ended");
        self.kernel = KernelSlot::None;
        (self.is_removing, self.is_ending) = (false, false);
        if let Some(executing) = self.executing.take() {
            let (cell, code_digest) = (executing.cell.id.clone(), executing.code_digest.clone());
            let results = executing.finish(Some(reason.clone()), self.service.shared.sources.now());
            self.reports.push_back(Report::Results { cell, code_digest, results });
        }
        self.last_end = Some(reason);
        let steps = self.schedule.kernel_ended();
        self.execute(steps).await;
    }

    fn report_results(&mut self, cell: &Cell, results: Results) {
        let (id, code_digest) = (cell.id.clone(), cell.code_digest());
        self.reports.push_back(Report::Results { cell: id, code_digest, results });
    }

    /// Returns a cell of the state that was looked at last.
    pub(super) fn cell(&self, id: &CellId) -> Option<Arc<Cell>> {
        self.known.as_ref().and_then(|(published, _)| published.stored.cells.find(id).cloned())
    }

    /// Returns a cell's position in the document, from 1.
    fn position(&self, id: &CellId) -> usize {
        let place =
            |(published, _): &(Arc<Published>, _)| published.stored.cells.iter().position(|cell| cell.id == *id);
        self.known.as_ref().and_then(place).map_or(0, |index| index + 1)
    }

    /// Returns a cell's name for people.
    fn title(&self, id: &CellId) -> String {
        let title = |(published, _): &(Arc<Published>, _)| published.stored.cell_title(id);
        self.known.as_ref().and_then(title).unwrap_or_else(|| "a cell".to_owned())
    }
}
