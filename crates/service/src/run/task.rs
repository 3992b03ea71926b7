//! The run task of a notebook.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quire_domain::{NotebookId, Revision, UserId};
use quire_execution::{KernelEvent, KernelProvider, Outcome};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::commands::RunCommand;
use super::executing::Executing;
use super::kernel_slot::{KernelSlot, KernelSlotEvent};
use super::lease::{self, Lease};
use super::reporter::{self, Report};
use super::requests::Run;
use crate::published::{AccountedGraph, Published};
use crate::registry::Handle;
use crate::schedule::{CellOutcome, NotebookState, RunId, Schedule};
use crate::{NotebookService, ServiceError};

/// Reports that wait beyond which the task takes no more events of its kernel and begins no cell.
const MAX_REPORTS: usize = 16;
/// Time after which a task without a kernel ends.
const END_AFTER: Duration = Duration::from_mins(1);

/// A run task.
pub(super) struct RunTask {
    pub(super) service: NotebookService,
    pub(super) user: UserId,
    pub(super) id: NotebookId,
    pub(super) provider: Arc<dyn KernelProvider>,
    pub(super) kernel: KernelSlot,
    /// Held from the request of a run to the end of the kernel, where several servers share the store.
    pub(super) lease: Option<Lease>,
    pub(super) schedule: Schedule,
    pub(super) commands: mpsc::Receiver<RunCommand>,
    pub(super) executing: Option<Executing>,
    /// `true` while names are being removed from the kernel.
    pub(super) is_removing: bool,
    /// `true` while the kernel ends by itself, after the last execution.
    pub(super) is_ending: bool,
    /// The reports that wait for the reporter.
    pub(super) reports: VecDeque<Report>,
    /// The runs by their public ids, the oldest first.
    pub(super) runs: VecDeque<(Uuid, RunId)>,
    pub(super) waiting: HashMap<RunId, Vec<oneshot::Sender<Result<Run, ServiceError>>>>,
    /// The graph of the last revision that was looked at.
    pub(super) known: Option<(Arc<Published>, Arc<AccountedGraph>)>,
    /// The notebook's writer task, which is kept while cells run as a watcher keeps it.
    pub(super) active: Option<(watch::Receiver<()>, Handle)>,
    pub(super) used: Instant,
    pub(super) last_end: Option<String>,
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
            lease: None,
            schedule: Schedule::default(),
            commands,
            executing: None,
            is_removing: false,
            is_ending: false,
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
            let (has_room, due) = (self.has_room(), self.due());
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
                () = lease::lost(self.lease.as_mut()) => self.on_lost_lease().await,
                event = self.kernel.next_event(), if has_room => self.on_event(event).await,
                () = tokio::time::sleep_until(due) => {
                    if self.on_time().await {
                        return;
                    }
                }
            }
        }
    }

    /// Returns `true` if the reports that wait are few.
    fn has_room(&self) -> bool {
        let is_work = |report: &&Report| !matches!(report, Report::Reply(..));
        self.reports.len() < MAX_REPORTS || self.reports.iter().filter(is_work).count() < MAX_REPORTS
    }

    /// Executes the steps that come next, until a cell is executed or nothing is left.
    async fn advance(&mut self) {
        while self.executing.is_none() && !self.is_removing && !self.is_ending && self.has_room() {
            if self.schedule.is_idle() {
                // What is not needed any more, for hours perhaps, takes no memory.
                self.known = None;
                self.active = None;
                if matches!(self.kernel, KernelSlot::None) {
                    self.lease = None;
                }
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
    pub(super) async fn decide<T>(&mut self, decide: impl FnOnce(&mut Schedule, NotebookState<'_>) -> T) -> Option<T> {
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
    pub(super) async fn state(&mut self) -> Result<(Arc<Published>, Arc<AccountedGraph>), ServiceError> {
        let handle = self.service.open(&self.user, &self.id).await?;
        let published = handle.published();
        if let (Some((_, known)), Some(executing)) = (&self.active, &mut self.executing)
            && !known.commands.same_channel(&handle.commands)
        {
            executing.tell_again();
        }
        self.active = Some((handle.news.subscribe(), handle));
        let is_same = |(known, _): &(Arc<Published>, _)| revision(known) == revision(&published);
        if let Some((known, graph)) = self.known.as_mut().filter(|known| is_same(known)) {
            *known = Arc::clone(&published);
            return Ok((published, Arc::clone(graph)));
        }
        let graph = published.graph(&self.service.shared).await?;
        self.known = Some((Arc::clone(&published), Arc::clone(&graph)));
        let state = NotebookState { notebook: &published.stored, graph: &graph };
        let steps = self.schedule.changed(state);
        Box::pin(self.execute(steps)).await;
        Ok((published, graph))
    }

    async fn on_event(&mut self, event: KernelSlotEvent) {
        self.used = Instant::now();
        match event {
            KernelSlotEvent::Started => {
                let Some(executing) = &mut self.executing else { return };
                executing.began = Instant::now();
                let cell = Arc::clone(&executing.cell);
                self.execute_code(&cell).await;
            }
            KernelSlotEvent::Failed(reason) | KernelSlotEvent::Kernel(KernelEvent::Ended(reason)) => {
                self.end_kernel(reason).await;
            }
            KernelSlotEvent::Kernel(KernelEvent::Finished { .. }) if std::mem::take(&mut self.is_removing) => {}
            KernelSlotEvent::Kernel(KernelEvent::Finished { outcome, is_last }) => {
                self.is_ending = is_last;
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

    pub(super) async fn interrupt(&mut self, why: &str) {
        if self.is_removing {
            return self.kernel.interrupt().await;
        }
        let Some(executing) = self.executing.as_mut().filter(|executing| executing.interrupted.is_none()) else {
            return;
        };
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
            // While something waits, it ends by itself.
            let is_used = self.is_removing || !self.schedule.is_idle();
            return if is_used { Instant::now() + END_AFTER } else { self.used + idle };
        };
        let ends = limits.cell_timeout.filter(|_| executing.interrupted.is_none()).map(|limit| executing.began + limit);
        let due = executing.due().filter(|_| self.has_room());
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
            let (cell, code_digest) = (executing.cell.id.clone(), executing.code_digest.clone());
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
}

/// The part of a state that its graph depends on.
fn revision(published: &Published) -> (quire_domain::Life, Revision) {
    (published.stored.life, published.stored.revision)
}
