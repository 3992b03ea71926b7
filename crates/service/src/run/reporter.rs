//! The way of updates and results from the run task to the writer task, in order, so that a kernel does not wait for a store.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::{CellId, CellStatus, Edit, NotebookId, Results, UserId};
use quire_storage::StoreError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::requests::Run;
use crate::command::EditRequest;
use crate::{Expected, NotebookService, RunUpdate, RunUpdateKind, ServiceError};

/// Maximum reports that wait. The run task waits to send a further one, and so does the kernel in the end.
const MAX_WAITING: usize = 4;
/// Time for which final results are offered to a store that is away.
const STORE_FOR: Duration = Duration::from_mins(2);
/// Time between two attempts.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A report of a run.
#[derive(Debug)]
pub(super) enum Report {
    /// Something to tell watchers.
    Update(RunUpdate),
    /// Results so far, or at the end.
    Results { cell: CellId, code_digest: String, results: Results },
    /// A cell that does not run, for this reason.
    Blocked { cell: CellId, reason: String },
    /// The end of a run of a cell whose results are dropped.
    Dropped(CellId),
    /// The answer to a caller who may read what has been reported before.
    Reply(oneshot::Sender<Result<Run, ServiceError>>, Result<Run, ServiceError>),
}

/// Starts the task that makes the reports. It ends with the last sender.
pub(super) fn start(service: NotebookService, user: UserId, id: NotebookId) -> mpsc::Sender<Report> {
    let (sender, mut reports) = mpsc::channel(MAX_WAITING);
    let runtime = service.shared.runtime.clone();
    runtime.spawn(async move {
        while let Some(report) = reports.recv().await {
            match report {
                Report::Update(update) => {
                    // A missed update comes with the results; the cell may have been deleted.
                    if let Err(error) = service.tell(&user, &id, update).await {
                        tracing::debug!(notebook = %id, %error, "an update of a run was not told");
                    }
                }
                Report::Results { cell, code_digest, results } => {
                    store(&service, (&user, &id), (&cell, &code_digest), results).await;
                }
                Report::Blocked { cell, reason } => block(&service, (&user, &id), &cell, reason).await,
                Report::Dropped(cell) => end_unstored(&service, (&user, &id), &cell).await,
                Report::Reply(reply, answer) => drop(reply.send(answer)), // the caller may be gone
            }
        }
    });
    sender
}

/// Stores results. Final ones are offered again while the store is away; what cannot be stored is replaced by the reason.
async fn store(
    service: &NotebookService,
    (user, id): (&UserId, &NotebookId),
    of: (&CellId, &str),
    mut results: Results,
) {
    let is_final = results.status != CellStatus::Running;
    let until = Instant::now() + STORE_FOR;
    loop {
        match service.commit_results(user, id, of, results.clone()).await {
            Ok(true) => return,
            Ok(false) => break,
            Err(ServiceError::Store(
                error @ (StoreError::Unavailable { .. }
                | StoreError::Overloaded { .. }
                | StoreError::OutcomeUnknown { .. }),
            )) if is_final && Instant::now() < until => {
                tracing::debug!(notebook = %id, error = &error as &dyn std::error::Error, "results are stored later");
                tokio::time::sleep(RETRY_AFTER).await;
            }
            Err(
                error @ (ServiceError::OverQuota { .. }
                | ServiceError::NotebookTooLarge { .. }
                | ServiceError::Invalid(_)
                | ServiceError::Store(StoreError::Full { .. })),
            ) if is_final && results.bytes() > 0 => {
                results.outputs.clear();
                results.stdout.clear();
                results.error = Some(format!("The results cannot be kept: {error}"));
                results.status = CellStatus::Error;
                // Now without content of its own, so that a second refusal ends this.
                match service.commit_results(user, id, of, results).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(notebook = %id, %error, "the results of a run are lost"),
                }
                break;
            }
            Err(error) => {
                if is_final {
                    tracing::warn!(notebook = %id, %error, "the results of a run are lost");
                }
                break;
            }
        }
    }
    if is_final {
        end_unstored(service, (user, id), of.0).await;
    }
}

/// Ends a run whose results are dropped, because the cell has other code now, or lost: watchers are told what is stored, which is of its last
/// run, or what this one had stored meanwhile.
async fn end_unstored(service: &NotebookService, (user, id): (&UserId, &NotebookId), cell: &CellId) {
    let Some(mut results) = stored(service, (user, id), cell).await else { return };
    if results.status == CellStatus::Running {
        (results.status, results.run_digest) = (CellStatus::Idle, None);
    }
    let status = results.status;
    if set(service, (user, id), cell, results).await.is_err() {
        let update = RunUpdate { cell: cell.clone(), kind: RunUpdateKind::Status(status) };
        let _ = service.tell(user, id, update).await; // the cell may have been deleted meanwhile
    }
}

/// Stores that a cell was blocked. The outputs of its last run stay, but are none of a run of what there is now.
async fn block(service: &NotebookService, (user, id): (&UserId, &NotebookId), cell: &CellId, reason: String) {
    let Some(last) = stored(service, (user, id), cell).await else { return };
    let results = Results { status: CellStatus::Blocked, error: Some(reason), run_digest: None, ..last };
    if let Err(error) = set(service, (user, id), cell, results).await {
        tracing::warn!(notebook = %id, %error, "it is not stored that a cell was blocked");
    }
}

/// Returns the stored results of a cell.
async fn stored(service: &NotebookService, (user, id): (&UserId, &NotebookId), cell: &CellId) -> Option<Results> {
    let handle = service.open(user, id).await.ok()?;
    handle.published().stored.cells.find(cell).map(|cell| (*cell.results).clone())
}

/// Stores results of a cell, whatever its code.
async fn set(
    service: &NotebookService,
    (user, id): (&UserId, &NotebookId),
    cell: &CellId,
    results: Results,
) -> Result<(), ServiceError> {
    let edit = Edit::SetResults { id: cell.clone(), results: Arc::new(results) };
    service.apply(id, EditRequest::new(user, Expected::Any, edit)).await.map(|_edited| ())
}
