//! The run task of a notebook.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quire_domain::{Cell, CellId, CellStatus, CellType, NotebookId, Results, Revision, UserId};
use quire_execution::{Execution, KernelEvent, KernelProvider, KernelRequest, Outcome};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::executing::Executing;
use super::kernel_slot::{KernelSlot, KernelSlotEvent};
use super::reporter::{self, Report};
use super::requests::{KernelState, KernelStatus, Run, RunningCell};
use crate::published::{AccountedGraph, Published};
use crate::registry::Handle;
use crate::schedule::{CellOutcome, Changed, NotebookState, RunId, Schedule, Step, Target};
use crate::{NotebookService, RunUpdate, RunUpdateKind, ServiceError};

/// Reports that wait beyond which the task takes no more events of its kernel and begins no cell.
const MAX_REPORTS: usize = 16;
/// Maximum runs whose ids are remembered.
const MAX_RUNS: usize = 1_000;
/// Maximum callers that wait for the end of runs.
const MAX_WAITING: usize = 1_000;
/// Time after which a task without a kernel ends.
const END_AFTER: Duration = Duration::from_mins(1);

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
    Restart { reply: oneshot::Sender<KernelState> },
    /// Show the kernel's state.
    Show { reply: oneshot::Sender<KernelState> },
}

/// A run task.
pub(super) struct RunTask {
    service: NotebookService,
    user: UserId,
    id: NotebookId,
    provider: Arc<dyn KernelProvider>,
    kernel: KernelSlot,
    schedule: Schedule,
    commands: mpsc::Receiver<RunCommand>,
    executing: Option<Executing>,
    /// `true` while names are being removed from the kernel.
    is_removing: bool,
    /// The reports that wait for the reporter.
    reports: VecDeque<Report>,
    /// The runs by their public ids, the oldest first.
    runs: VecDeque<(Uuid, RunId)>,
    waiting: HashMap<RunId, Vec<oneshot::Sender<Result<Run, ServiceError>>>>,
    /// The graph of the last revision that was looked at.
    known: Option<(Arc<Published>, Arc<AccountedGraph>)>,
    /// The notebook's writer task, which is kept while cells run as a watcher keeps it.
    active: Option<(watch::Receiver<()>, Handle)>,
    used: Instant,
    last_end: Option<String>,
}

impl RunTask {
    pub(super) fn new(
        service: &NotebookService,
        (user, id): (&UserId, &NotebookId),
        provider: Arc<dyn KernelProvider>,
        commands: mpsc::Receiver<RunCommand>,
    ) -> Self {
        Self {
            service: service.clone(),
            user: user.clone(),
            id: id.clone(),
            provider,
            kernel: KernelSlot::None,
            schedule: Schedule::default(),
            commands,
            executing: None,
            is_removing: false,
            reports: VecDeque::new(),
            runs: VecDeque::new(),
            waiting: HashMap::new(),
            known: None,
            active: None,
            used: Instant::now(),
            last_end: None,
        }
    }

    pub(super) async fn run(mut self) {
        let reporter = reporter::start(self.service.clone(), self.user.clone(), self.id.clone());
        loop {
            self.advance().await;
            let (has_room, due) = (self.reports.len() < MAX_REPORTS, self.due());
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.handle(command).await,
                    None => return, // the notebook was deleted, or the service closes
                },
                permit = reporter.reserve(), if !self.reports.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(report) = self.reports.pop_front() {
                        permit.send(report);
                    }
                }
                event = self.kernel.next_event(), if has_room => self.on_event(event).await,
                () = tokio::time::sleep_until(due) => {
                    if self.on_time().await {
                        return;
                    }
                }
            }
        }
    }

    /// Executes the steps that come next, until a cell is executed or nothing is left.
    async fn advance(&mut self) {
        while self.executing.is_none() && !self.is_removing && self.reports.len() < MAX_REPORTS {
            if self.schedule.is_idle() {
                // What is not needed any more, for hours perhaps, takes no memory.
                self.known = None;
                self.active = None;
                return;
            }
            let Some(steps) = self.decide(Schedule::next).await else { return };
            if steps.is_empty() {
                return;
            }
            self.execute(steps).await;
        }
    }

    /// Lets the schedule decide on the present state of the notebook. If there is none, the queue is emptied.
    async fn decide<T>(&mut self, decide: impl FnOnce(&mut Schedule, NotebookState<'_>) -> T) -> Option<T> {
        match self.state().await {
            Ok((published, graph)) => {
                Some(decide(&mut self.schedule, NotebookState { notebook: &published.stored, graph: &graph }))
            }
            Err(error) => {
                tracing::warn!(notebook = %self.id, %error, "a run is given up, because the notebook cannot be read");
                let steps = self.schedule.stop();
                Box::pin(self.execute(steps)).await;
                None
            }
        }
    }

    /// Returns the present state of the notebook, of which the schedule has been told.
    async fn state(&mut self) -> Result<(Arc<Published>, Arc<AccountedGraph>), ServiceError> {
        let handle = self.service.open(&self.user, &self.id).await?;
        let published = handle.published();
        self.active = Some((handle.news.subscribe(), handle));
        let is_same = |(known, _): &(Arc<Published>, _)| revision(known) == revision(&published);
        if let Some((known, graph)) = self.known.as_mut().filter(|known| is_same(known)) {
            *known = Arc::clone(&published);
            return Ok((published, Arc::clone(graph)));
        }
        let graph = published.graph(&self.service.shared).await?;
        self.known = Some((Arc::clone(&published), Arc::clone(&graph)));
        let state = NotebookState { notebook: &published.stored, graph: &graph };
        let steps = self.schedule.changed(state, Changed::Any);
        Box::pin(self.execute(steps)).await;
        Ok((published, graph))
    }

    async fn execute(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Execute { cell } => self.begin(cell).await,
                Step::RemoveNames(names) => self.remove(&names).await,
                Step::Block { cell, by } => {
                    let Some(blocked) = self.cell(&cell) else { continue };
                    let error = Some(format!("Blocked by {}, which failed.", self.title(&by)));
                    // The outputs of its last run stay, but are none of a run of what there is now.
                    let last = (*blocked.results).clone();
                    let results = Results { status: CellStatus::Blocked, error, run_digest: None, ..last };
                    self.report_results(&blocked, results);
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
    async fn begin(&mut self, id: CellId) {
        let Some(cell) = self.cell(&id) else { return };
        let sources = &self.service.shared.sources;
        let executing = Executing::new(id, cell.code_digest(), cell.run_digest, sources.now());
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

    async fn execute_code(&mut self, cell: &Cell) {
        let position = self.position(&cell.id);
        self.kernel.execute(Execution { code: &cell.code, position: Some(position) }).await;
    }

    fn start_kernel(&mut self) {
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

    async fn on_event(&mut self, event: KernelSlotEvent) {
        self.used = Instant::now();
        match event {
            KernelSlotEvent::Started => {
                let cell = self.executing.as_ref().map(|executing| executing.cell.clone());
                let Some(cell) = cell else { return };
                match self.cell(&cell) {
                    Some(cell) => self.execute_code(&cell).await,
                    None => self.finish(Some("The cell was deleted.".to_owned()), CellOutcome::Interrupted).await,
                }
            }
            KernelSlotEvent::Failed(reason) | KernelSlotEvent::Kernel(KernelEvent::Ended(reason)) => {
                self.end_kernel(reason).await;
            }
            KernelSlotEvent::Kernel(KernelEvent::Finished(_)) if std::mem::take(&mut self.is_removing) => {}
            KernelSlotEvent::Kernel(KernelEvent::Finished(outcome)) => {
                let interrupted = self.executing.as_mut().and_then(|executing| executing.interrupted.take());
                match (outcome, interrupted) {
                    (Outcome::Success, _) => self.finish(None, CellOutcome::Success).await,
                    (Outcome::Error(_) | Outcome::Interrupted, Some(why)) => {
                        self.finish(Some(why), CellOutcome::Interrupted).await;
                    }
                    (Outcome::Error(text), None) => self.finish(Some(text), CellOutcome::Error).await,
                    (Outcome::Interrupted, None) => {
                        self.finish(Some("The cell was interrupted.".to_owned()), CellOutcome::Interrupted).await;
                    }
                }
            }
            KernelSlotEvent::Kernel(event) => {
                if let Some(executing) = &mut self.executing {
                    executing.add(event);
                }
            }
        }
    }

    /// Ends the execution of the cell, with the error if it failed.
    async fn finish(&mut self, error: Option<String>, outcome: CellOutcome) {
        let Some(executing) = self.executing.take() else { return };
        let (cell, code_digest) = (executing.cell.clone(), executing.code_digest.clone());
        let results = executing.finish(error, self.service.shared.sources.now());
        self.reports.push_back(Report::Results { cell: cell.clone(), code_digest, results });
        // The state in which it began, or a later one.
        let Some((published, graph)) = self.known.clone() else { return };
        let state = NotebookState { notebook: &published.stored, graph: &graph };
        let steps = self.schedule.finished(state, &cell, outcome);
        Box::pin(self.execute(steps)).await;
    }

    /// Takes over the end of the kernel: what was executed has failed, and nothing is left in the queue.
    async fn end_kernel(&mut self, reason: String) {
        tracing::info!(notebook = %self.id, reason, "a kernel ended");
        self.kernel = KernelSlot::None;
        self.is_removing = false;
        if let Some(executing) = self.executing.take() {
            let (cell, code_digest) = (executing.cell.clone(), executing.code_digest.clone());
            let results = executing.finish(Some(reason.clone()), self.service.shared.sources.now());
            self.reports.push_back(Report::Results { cell, code_digest, results });
        }
        self.last_end = Some(reason);
        let steps = self.schedule.kernel_ended();
        self.execute(steps).await;
    }

    async fn handle(&mut self, command: RunCommand) {
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
                if !matches!(self.kernel, KernelSlot::None) {
                    self.end_kernel("The kernel was restarted.".to_owned()).await;
                }
                self.start_kernel();
                let _ = reply.send(self.show());
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
        let state = NotebookState { notebook: &published.stored, graph: &graph };
        let requested = self.schedule.request(state, &target, true);
        let (run, steps) = requested.map_err(|_too_many| ServiceError::TooManyRuns)?;
        if self.runs.len() == MAX_RUNS {
            self.runs.pop_front();
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
                }
            }
            // After the results that have been reported before, so that whoever is told of the end can read them.
            _ => self.reports.push_back(Report::Reply(reply, shown)),
        }
    }

    fn shown(&self, run: RunId) -> Result<Run, ServiceError> {
        let id = self.runs.iter().find(|(_, known)| *known == run).map(|(id, _)| *id).unwrap_or_default();
        let record = self.schedule.record(run).cloned().ok_or(ServiceError::UnknownRun(id))?;
        Ok(Run { id, record })
    }

    async fn interrupt(&mut self, why: &str) {
        let Some(executing) = self.executing.as_mut().filter(|executing| executing.interrupted.is_none()) else { return };
        executing.interrupted = Some(why.to_owned());
        if self.kernel.is_ready() {
            self.kernel.interrupt().await;
        } else {
            self.kernel = KernelSlot::None;
            self.finish(Some(why.to_owned()), CellOutcome::Interrupted).await;
        }
    }

    /// Returns the time at which something is due.
    fn due(&self) -> Instant {
        let limits = &self.service.shared.limits;
        let Some(executing) = &self.executing else {
            let idle = if matches!(self.kernel, KernelSlot::None) { END_AFTER } else { limits.kernel_idle };
            return self.used + idle;
        };
        let ends = limits.cell_timeout.filter(|_| executing.interrupted.is_none()).map(|limit| executing.began + limit);
        let due = executing.due().filter(|_| self.reports.len() < MAX_REPORTS);
        // Without anything due, the time does not matter.
        [due, ends].into_iter().flatten().min().unwrap_or_else(|| Instant::now() + END_AFTER)
    }

    /// Does what is due. Returns `true` if the task has to end.
    async fn on_time(&mut self) -> bool {
        let is_evicted = self.active.as_ref().is_some_and(|(_, handle)| handle.commands.is_closed());
        if let Some(executing) = &mut self.executing {
            if is_evicted {
                executing.tell_again();
            }
            let updates = executing.updates();
            let results = executing.results_to_store();
            let (cell, code_digest) = (executing.cell.clone(), executing.code_digest.clone());
            let limit = self.service.shared.limits.cell_timeout.filter(|limit| executing.began.elapsed() >= *limit);
            let limit = limit.filter(|_| executing.interrupted.is_none());
            self.reports.extend(updates.into_iter().map(Report::Update));
            self.reports.extend(results.map(|results| Report::Results { cell, code_digest, results }));
            if let Some(limit) = limit {
                let why = format!("The cell ran longer than the limit of {} s.", limit.as_secs());
                self.interrupt(&why).await;
            }
            if is_evicted && let Ok(handle) = self.service.open(&self.user, &self.id).await {
                self.active = Some((handle.news.subscribe(), handle));
            }
            return false;
        }
        if self.used.elapsed() < self.due().duration_since(self.used) || !self.schedule.is_idle() {
            return false;
        }
        if matches!(self.kernel, KernelSlot::None) {
            self.used = Instant::now();
            return self.reports.is_empty();
        }
        self.end_kernel("The kernel was ended, because it had nothing to do.".to_owned()).await;
        self.used = Instant::now();
        false
    }

    fn show(&mut self) -> KernelState {
        let status = match (&self.kernel, &self.executing) {
            (KernelSlot::None, _) => KernelStatus::None,
            (KernelSlot::Starting(_), _) => KernelStatus::Starting,
            (KernelSlot::Ready(_), None) => KernelStatus::Idle,
            (KernelSlot::Ready(_), Some(_)) => KernelStatus::Busy,
        };
        let running = self.executing.as_ref().and_then(|executing| {
            Some(RunningCell { cell: executing.cell.clone(), since: executing.results.started_at? })
        });
        let queued = match &self.known {
            Some((published, graph)) => {
                self.schedule.queued(NotebookState { notebook: &published.stored, graph })
            }
            None => Vec::new(),
        };
        KernelState { status, running, queued, memory_bytes: self.kernel.memory_bytes(), last_end: self.last_end.clone() }
    }

    fn report_results(&mut self, cell: &Cell, results: Results) {
        let (id, code_digest) = (cell.id.clone(), cell.code_digest());
        self.reports.push_back(Report::Results { cell: id, code_digest, results });
    }

    /// Returns a cell of the state that was looked at last.
    fn cell(&self, id: &CellId) -> Option<Arc<Cell>> {
        self.known.as_ref().and_then(|(published, _)| published.stored.cells.find(id).cloned())
    }

    /// Returns a cell's position in the document, from 1.
    fn position(&self, id: &CellId) -> usize {
        let place = |(published, _): &(Arc<Published>, _)| published.stored.cells.iter().position(|cell| cell.id == *id);
        self.known.as_ref().and_then(place).map_or(0, |index| index + 1)
    }

    /// Returns a cell's name for people.
    fn title(&self, id: &CellId) -> String {
        let title = |(published, _): &(Arc<Published>, _)| published.stored.cell_title(id);
        self.known.as_ref().and_then(title).unwrap_or_else(|| "a cell".to_owned())
    }
}

/// The part of a state that its graph depends on.
fn revision(published: &Published) -> (quire_domain::Life, Revision) {
    (published.stored.life, published.stored.revision)
}
