//! The lease of a notebook's kernel, where several servers share the store.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use quire_domain::NotebookId;
use quire_storage::{Held, KernelLeases};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::reporter::Report;
use super::task::RunTask;
use crate::ServiceError;

/// Time between two looks whether the lease is still held.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The reason why a kernel ends whose lease was lost.
const LOST: &str = "The kernel was ended, because this server was stopped or cut off from the database for so long that another one may have the notebook's kernel now.";

/// A lease that is held, and given back when this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    leases: Arc<dyn KernelLeases>,
    runtime: Handle,
    id: NotebookId,
    epoch: i64,
    /// The task that looks whether the lease is still held, which ends when it is not.
    watch: JoinHandle<()>,
}

impl Lease {
    fn new(leases: Arc<dyn KernelLeases>, runtime: Handle, id: NotebookId, epoch: i64) -> Self {
        let watch = runtime.spawn(watch(Arc::clone(&leases), id.clone(), epoch));
        Self { leases, runtime, id, epoch, watch }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.watch.abort();
        let (leases, id, epoch) = (Arc::clone(&self.leases), self.id.clone(), self.epoch);
        self.runtime.spawn(async move {
            // What remains is this server's to hold again, and goes with its registration.
            if let Err(error) = leases.release(&id, epoch).await {
                tracing::debug!(notebook = %id, error = &error as &dyn std::error::Error, "a kernel's lease remains");
            }
        });
    }
}

/// Looks again and again, and ends when the lease is lost. While the store is away, it counts as held.
async fn watch(leases: Arc<dyn KernelLeases>, id: NotebookId, epoch: i64) {
    loop {
        sleep(LOOK_EVERY).await;
        match leases.is_held(&id, epoch).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(notebook = %id, error = &error as &dyn std::error::Error, "cannot look a lease up");
            }
        }
    }
}

/// Waits until this lease is lost; without end if there is none. It must be dropped then.
///
/// Cancel safe: a dropped future loses nothing.
pub(super) async fn lost(lease: Option<&mut Lease>) {
    match lease {
        Some(lease) => {
            let _ = (&mut lease.watch).await; // a look that panicked counts as a loss
        }
        None => pending().await,
    }
}

impl RunTask {
    /// Holds the notebook's kernel, unless this server does already.
    pub(super) async fn hold_lease(&mut self) -> Result<(), ServiceError> {
        let shared = &self.service.shared;
        let Some(leases) = shared.runs.leases.as_ref().filter(|_| self.lease.is_none()) else { return Ok(()) };
        match leases.hold(&self.id).await? {
            Held::Lease { epoch } => {
                let lease = Lease::new(Arc::clone(leases), shared.runtime.clone(), self.id.clone(), epoch);
                self.lease = Some(lease);
                Ok(())
            }
            Held::Elsewhere { address, since } => Err(ServiceError::KernelElsewhere { address, since }),
        }
    }

    /// Ends the kernel. Results that another server has made of the running cell since are not replaced.
    pub(super) async fn on_lost_lease(&mut self) {
        self.lease = None;
        if let Some(executing) = &self.executing {
            let shown = self.service.get(&self.user, &self.id).await;
            let has_run_elsewhere = shown.is_ok_and(|shown| {
                let found = shown.stored.cells.find(&executing.cell.id);
                found.is_some_and(|cell| cell.results.started_at > executing.results.started_at)
            });
            if has_run_elsewhere {
                self.reports.push_back(Report::Dropped(executing.cell.id.clone()));
                self.executing = None;
            }
        }
        self.end_kernel(LOST.to_owned()).await;
    }
}
