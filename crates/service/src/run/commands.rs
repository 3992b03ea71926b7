//! Commands to a run task.

use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::kernel_slot::KernelSlot;
use super::reporter::Report;
use super::requests::{KernelState, KernelStatus, Run, RunningCell};
use super::task::RunTask;
use crate::ServiceError;
use crate::schedule::{NotebookState, RunId, RunRecord, Target};

/// Maximum runs whose ids are remembered.
const MAX_RUNS: usize = 1_000;
/// Maximum callers that wait for the end of runs.
const MAX_WAITING: usize = 1_000;

/// A command to a run task.
#[derive(Debug)]
pub(crate) enum RunCommand {
    /// Queue cells.
    Run { target: Target, reply: oneshot::Sender<Result<Run, ServiceError>> },
    /// Show a run; with `is_awaited`, when it has ended.
    Find { run: Uuid, is_awaited: bool, reply: oneshot::Sender<Result<Run, ServiceError>> },
    /// Interrupt the cell that is executed, and empty the queue.
    Interrupt { reply: oneshot::Sender<KernelState> },
    /// End the kernel and start another one.
    Restart { reply: oneshot::Sender<Result<KernelState, ServiceError>> },
    /// Show the kernel's state.
    Show { reply: oneshot::Sender<KernelState> },
}

impl RunTask {
    /// Executes a command.
    pub(super) async fn handle(&mut self, command: RunCommand) {
        if matches!(command, RunCommand::Run { .. } | RunCommand::Restart { .. }) {
            self.used = Instant::now();
        }
        match command {
            RunCommand::Run { target, reply } => {
                let answer = self.request(target).await;
                let _ = reply.send(answer); // the caller may be gone
            }
            RunCommand::Find { run, is_awaited, reply } => self.find(run, is_awaited, reply),
            RunCommand::Interrupt { reply } => {
                let steps = self.schedule.stop();
                self.execute(steps).await;
                self.interrupt("The cell was stopped.").await;
                let _ = reply.send(self.show());
            }
            RunCommand::Restart { reply } => {
                if let Err(error) = self.hold_lease().await {
                    return drop(reply.send(Err(error)));
                }
                if !matches!(self.kernel, KernelSlot::None) {
                    self.end_kernel("The kernel was restarted.".to_owned()).await;
                }
                self.start_kernel();
                let _ = reply.send(Ok(self.show()));
            }
            RunCommand::Show { reply } => drop(reply.send(self.show())),
        }
    }

    async fn request(&mut self, target: Target) -> Result<Run, ServiceError> {
        let (published, graph) = self.state().await?;
        if let Target::Cells(cells) = &target {
            let unknown = cells.iter().find(|cell| published.stored.cells.find(cell).is_none());
            if let Some(unknown) = unknown {
                return Err(ServiceError::UnknownCell(unknown.clone()));
            }
        }
        self.hold_lease().await?;
        let state = NotebookState { notebook: &published.stored, graph: &graph };
        let requested = self.schedule.request(state, &target, published.stored.reactive);
        let (run, steps) = requested.map_err(|_too_many| ServiceError::TooManyRuns)?;
        if self.runs.len() >= MAX_RUNS {
            let is_over = |(_, run): &(Uuid, RunId)| self.schedule.record(*run).is_none_or(RunRecord::is_done);
            let over = self.runs.iter().position(is_over);
            over.map(|index| self.runs.remove(index));
        }
        self.runs.push_back((self.service.shared.sources.run_id(), run));
        self.execute(steps).await;
        self.shown(run)
    }

    fn find(&mut self, id: Uuid, is_awaited: bool, reply: oneshot::Sender<Result<Run, ServiceError>>) {
        let run = self.runs.iter().find(|(known, _)| *known == id).map(|(_, run)| *run);
        let shown = run.map_or(Err(ServiceError::UnknownRun(id)), |run| self.shown(run));
        match (run, &shown) {
            (Some(run), Ok(Run { record, .. })) if is_awaited && !record.is_done() => {
                let callers = self.waiting.entry(run).or_default();
                callers.retain(|caller| !caller.is_closed());
                if callers.len() < MAX_WAITING {
                    callers.push(reply);
                } else {
                    let _ = reply.send(shown); // the caller may be gone
                }
            }
            (_, Ok(Run { record, .. })) if record.is_done() => {
                // After the results that have been reported before, so that whoever is told of the end can read them.
                self.reports.retain(|report| !matches!(report, Report::Reply(waiting, _) if waiting.is_closed()));
                self.reports.push_back(Report::Reply(reply, shown));
            }
            _ => drop(reply.send(shown)), // the caller may be gone
        }
    }

    /// Returns a run as it is now.
    pub(super) fn shown(&self, run: RunId) -> Result<Run, ServiceError> {
        let id = self.runs.iter().find(|(_, known)| *known == run).map(|(id, _)| *id).unwrap_or_default();
        let record = self.schedule.record(run).cloned().ok_or(ServiceError::UnknownRun(id))?;
        Ok(Run { id, record })
    }

    fn show(&mut self) -> KernelState {
        let status = match (&self.kernel, &self.executing) {
            (KernelSlot::None, _) => KernelStatus::None,
            (KernelSlot::Starting(_), _) => KernelStatus::Starting,
            (KernelSlot::Ready(_), None) if !self.is_removing => KernelStatus::Idle,
            (KernelSlot::Ready(_), _) => KernelStatus::Busy,
        };
        let running = self.executing.as_ref().and_then(|executing| {
            Some(RunningCell { cell: executing.cell.id.clone(), since: executing.results.started_at? })
        });
        let queued = match &self.known {
            Some((published, graph)) => self.schedule.queued(NotebookState { notebook: &published.stored, graph }),
            None => Vec::new(),
        };
        KernelState {
            status,
            running,
            queued,
            memory_bytes: self.kernel.memory_bytes(),
            last_end: self.last_end.clone(),
        }
    }
}
