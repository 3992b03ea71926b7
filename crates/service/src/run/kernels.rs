//! The registry of run tasks.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quire_domain::{NotebookId, UserId};
use quire_execution::KernelProvider;
use quire_storage::KernelLeases;
use tokio::sync::mpsc;

use super::commands::RunCommand;
use super::task::RunTask;
use crate::{NotebookService, ServiceError};

/// Maximum commands that wait in a run task's queue.
const MAX_QUEUED: usize = 64;

/// The run tasks of a service, and the source of their kernels.
#[derive(Debug)]
pub(crate) struct Runs {
    /// Absent if the service executes nothing.
    pub(crate) kernels: Option<Arc<dyn KernelProvider>>,
    /// Absent if no other server has kernels.
    pub(crate) leases: Option<Arc<dyn KernelLeases>>,
    handles: Mutex<Option<HashMap<NotebookId, RunHandle>>>,
}

/// The queue of a notebook's run task.
type RunHandle = mpsc::Sender<RunCommand>;

impl Runs {
    pub(crate) fn new(kernels: Option<Arc<dyn KernelProvider>>, leases: Option<Arc<dyn KernelLeases>>) -> Self {
        Self { kernels, leases, handles: Mutex::new(Some(HashMap::new())) }
    }

    /// Returns the handle of the notebook's run task, if there is one.
    pub(crate) fn find(&self, id: &NotebookId) -> Option<RunHandle> {
        self.handles.lock().as_ref()?.get(id).filter(|handle| !handle.is_closed()).cloned()
    }

    /// Returns the handle of the notebook's run task, which is started if there is none.
    pub(crate) fn find_or_start(
        &self,
        service: &NotebookService,
        (user, id): (&UserId, &NotebookId),
        kernels: &Arc<dyn KernelProvider>,
    ) -> Result<RunHandle, ServiceError> {
        let mut handles = self.handles.lock();
        let handles = handles.as_mut().ok_or(ServiceError::Closing)?;
        if let Some(handle) = handles.get(id).filter(|handle| !handle.is_closed()) {
            return Ok(handle.clone());
        }
        handles.retain(|_, handle| !handle.is_closed());
        let (commands, queue) = mpsc::channel(MAX_QUEUED);
        service.shared.runtime.spawn(RunTask::new(service, (user, id), Arc::clone(kernels), queue).run());
        handles.insert(id.clone(), commands.clone());
        Ok(commands)
    }

    /// Ends the run task of a notebook that was deleted, with its kernel.
    pub(crate) fn end(&self, id: &NotebookId) {
        if let Some(handles) = self.handles.lock().as_mut() {
            handles.remove(id); // the task ends with its last command's sender
        }
    }

    /// Ends all run tasks with their kernels, and starts no more.
    pub(crate) fn close(&self) {
        *self.handles.lock() = None;
    }
}
