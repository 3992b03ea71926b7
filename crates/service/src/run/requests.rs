//! Requests to run cells, and what callers are told of runs and kernels.

use std::time::Duration;

use quire_domain::{CellId, NotebookId, Timestamp, UserId};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::commands::RunCommand;
use crate::command::Command;
use crate::schedule::{RunRecord, Target};
use crate::writer::ROUNDS;
use crate::{NotebookService, ServiceError};

/// Time for the answer about a run that is not awaited.
const SHOW_WITHIN: Duration = Duration::from_secs(2);

/// A requested run of cells.
#[derive(Clone, Debug)]
pub struct Run {
    /// The id.
    pub id: Uuid,
    /// Its cells and how they ended, as far as they have.
    pub record: RunRecord,
}

/// A notebook's kernel.
#[derive(Clone, Debug, Default)]
pub struct KernelState {
    /// The status.
    pub status: KernelStatus,
    /// The cell that is executed.
    pub running: Option<RunningCell>,
    /// The cells that wait, in order.
    pub queued: Vec<CellId>,
    /// Resident memory of all processes of the kernel, in bytes.
    pub memory_bytes: u64,
    /// The reason why the last kernel ended.
    pub last_end: Option<String>,
}

/// Status of a notebook's kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelStatus {
    /// There is none. The next run starts one.
    #[default]
    None,
    /// It is being started.
    Starting,
    /// It executes nothing.
    Idle,
    /// It executes a cell.
    Busy,
}

impl KernelStatus {
    /// Returns the status as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
        }
    }
}

/// A cell that is executed.
#[derive(Clone, Debug)]
pub struct RunningCell {
    /// The cell.
    pub cell: CellId,
    /// The time at which it began.
    pub since: Timestamp,
}

impl NotebookService {
    /// Queues cells to run, after all edits that were queued before, and returns the run.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`], and an error if the service executes nothing, another server has the notebook's kernel, a named
    /// cell does not exist, or too many runs wait.
    pub async fn run(&self, user: &UserId, id: &NotebookId, target: Target) -> Result<Run, ServiceError> {
        self.check_may_change()?;
        let view = self.get(user, id).await?;
        if let Target::Cells(cells) = &target
            && let Some(unknown) = cells.iter().find(|cell| view.stored.cells.find(cell).is_none())
        {
            return Err(ServiceError::UnknownCell(unknown.clone()));
        }
        let kernels = self.shared.runs.kernels.as_ref().ok_or(ServiceError::ExecutionOff)?;
        // Edits that wait in the writer task's queue come first.
        let handle = self.open(user, id).await?;
        let barrier = |reply| Command::Barrier { reply };
        self.ask(handle, (user, id), barrier).await?;
        for _ in 0..ROUNDS {
            let handle = self.shared.runs.find_or_start(self, (user, id), kernels)?;
            let (reply, answer) = oneshot::channel();
            let command = RunCommand::Run { target: target.clone(), reply };
            // A run task that ends meanwhile leaves the command to the next one.
            if handle.send(command).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return answer;
            }
            self.check_open()?;
        }
        Err(ServiceError::Contended(id.clone()))
    }

    /// Returns a run, after waiting at most this long for its end.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`], and [`ServiceError::UnknownRun`] if the run is not remembered.
    pub async fn find_run(
        &self,
        user: &UserId,
        id: &NotebookId,
        run: Uuid,
        wait: Duration,
    ) -> Result<Run, ServiceError> {
        self.open(user, id).await?; // checks the owner
        let ended = self.shown_run(id, run, true);
        match tokio::time::timeout(wait, ended).await {
            Ok(shown) => shown,
            // Of a run that has ended, the results may be waiting for the store.
            Err(_elapsed) => tokio::time::timeout(SHOW_WITHIN, self.shown_run(id, run, false))
                .await
                .unwrap_or(Err(ServiceError::Busy { what: "results of runs that wait to be stored" })),
        }
    }

    /// Asks the run task for a run, and waits for its end if `is_awaited` says so.
    async fn shown_run(&self, id: &NotebookId, run: Uuid, is_awaited: bool) -> Result<Run, ServiceError> {
        let unknown = || ServiceError::UnknownRun(run);
        let handle = self.shared.runs.find(id).ok_or_else(unknown)?;
        let (reply, answer) = oneshot::channel();
        handle.send(RunCommand::Find { run, is_awaited, reply }).await.map_err(|_ended| unknown())?;
        answer.await.unwrap_or_else(|_ended| Err(unknown()))
    }

    /// Interrupts the cell that is executed, and empties the queue.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`], and an error if another server has the notebook's kernel.
    pub async fn interrupt(&self, user: &UserId, id: &NotebookId) -> Result<KernelState, ServiceError> {
        let state = self.command(user, id, |reply| RunCommand::Interrupt { reply }).await?;
        if let (KernelStatus::None, Some(leases)) = (state.status, &self.shared.runs.leases)
            && let Some((address, since)) = leases.holder(id).await?
        {
            return Err(ServiceError::KernelElsewhere { address, since });
        }
        Ok(state)
    }

    /// Ends the kernel, and starts another one.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`], and an error if the service executes nothing, or another server has the notebook's kernel.
    pub async fn restart_kernel(&self, user: &UserId, id: &NotebookId) -> Result<KernelState, ServiceError> {
        self.check_may_change()?;
        self.open(user, id).await?; // checks the owner
        let kernels = self.shared.runs.kernels.as_ref().ok_or(ServiceError::ExecutionOff)?;
        let handle = self.shared.runs.find_or_start(self, (user, id), kernels)?;
        let (reply, answer) = oneshot::channel();
        if handle.send(RunCommand::Restart { reply }).await.is_err() {
            return Ok(KernelState::default());
        }
        answer.await.unwrap_or_else(|_ended| Ok(KernelState::default())) // a task that ends leaves no kernel
    }

    /// Returns the state of the notebook's kernel.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`].
    pub async fn kernel(&self, user: &UserId, id: &NotebookId) -> Result<KernelState, ServiceError> {
        self.command(user, id, |reply| RunCommand::Show { reply }).await
    }

    /// Sends a command to the run task, and returns the kernel's state; that of no kernel if there is no run task.
    async fn command(
        &self,
        user: &UserId,
        id: &NotebookId,
        command: impl FnOnce(oneshot::Sender<KernelState>) -> RunCommand,
    ) -> Result<KernelState, ServiceError> {
        self.open(user, id).await?; // checks the owner
        let Some(handle) = self.shared.runs.find(id) else { return Ok(KernelState::default()) };
        let (reply, answer) = oneshot::channel();
        if handle.send(command(reply)).await.is_err() {
            return Ok(KernelState::default());
        }
        Ok(answer.await.unwrap_or_default()) // a task that ends leaves no kernel
    }
}
