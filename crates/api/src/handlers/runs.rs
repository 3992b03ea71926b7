//! Routes of runs and kernels.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use quire_domain::NotebookId;
use quire_service::{Run, Target};

use crate::app_state::AppState;
use crate::extract::{Body, Caller, IgnoredBody, NotebookPath, Query, RunPath, cell_id, encode};
use crate::problem::{Code, Problem};
use crate::response::{HandlerResult, json, read, resource};
use crate::wire::{KernelOut, RunCells, RunIn, RunOut, RunScope, WaitIn};

/// Maximum seconds for which a response waits for a run.
const MAX_WAIT_SECONDS: u64 = 50;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/notebooks/{id}/run", "POST").route(web::post().to(run)))
        .service(resource("/api/notebooks/{id}/runs/{run_id}", "GET, HEAD").route(read().to(get)))
        .service(resource("/api/notebooks/{id}/interrupt", "POST").route(web::post().to(interrupt)))
        .service(resource("/api/notebooks/{id}/kernel/restart", "POST").route(web::post().to(restart)))
        .service(resource("/api/notebooks/{id}/kernel", "GET, HEAD").route(read().to(kernel)));
}

/// Runs cells, and the cells that depend on them.
///
/// The cells are queued after all edits that the server has received before. The response comes at once, or with `wait` when all
/// cells have ended, or the time is over.
#[utoipa::path(
    post,
    path = "/api/notebooks/{id}/run",
    operation_id = "runCells",
    tag = "Running",
    params(NotebookPath, WaitIn),
    request_body = RunCells,
    responses(
        (status = 200, description = "The run has ended.", body = RunOut),
        (
            status = 202,
            description = "The cells are queued or run.",
            body = RunOut,
            headers(("Location" = String, description = "The address of the run.")),
        ),
    ),
)]
pub(crate) async fn run(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    Query(wait): Query<WaitIn>,
    Body(RunIn { cells, scope }): Body<RunIn>,
) -> HandlerResult {
    let target = match (cells, scope) {
        (Some(cells), None) => Target::Cells(cells.iter().map(|id| cell_id(id)).collect::<Result<_, _>>()?),
        (None, Some(RunScope::All)) => Target::All,
        (None, Some(RunScope::Stale)) => Target::Stale,
        _ => {
            let detail = "The body does not fit: either `cells` or `scope` must be there, and not both.";
            return Err(Problem::new(Code::DoesNotFit, detail));
        }
    };
    let wait = seconds(&wait);
    state.edits_in_flight.ended(&user).await;
    let mut run = state.change(async { Ok(state.service.run(&user, &id, target).await?) }).await?;
    if !wait.is_zero() {
        run = state.service.find_run(&user, &id, run.id, wait).await?;
    }
    response(&id, &run)
}

/// Reads a run.
#[utoipa::path(
    get,
    path = "/api/notebooks/{id}/runs/{run_id}",
    operation_id = "getRun",
    tag = "Running",
    params(NotebookPath, RunPath, WaitIn),
    responses(
        (status = 200, description = "The run has ended.", body = RunOut),
        (
            status = 202,
            description = "The cells are queued or run.",
            body = RunOut,
            headers(("Location" = String, description = "The address of the run.")),
        ),
    ),
)]
pub(crate) async fn get(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    RunPath(run): RunPath,
    Query(wait): Query<WaitIn>,
) -> HandlerResult {
    let wait = seconds(&wait);
    let run = state.service.find_run(&user, &id, run, wait).await?;
    response(&id, &run)
}

/// Interrupts the cell that is executed, and empties the queue.
#[utoipa::path(
    post,
    path = "/api/notebooks/{id}/interrupt",
    operation_id = "interrupt",
    tag = "Running",
    params(NotebookPath),
    responses((status = 200, description = "The kernel as it is now; the cell ends a moment later.", body = KernelOut)),
)]
pub(crate) async fn interrupt(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    _: IgnoredBody,
) -> HandlerResult {
    json(256, &KernelOut::new(&state.change(async { Ok(state.service.interrupt(&user, &id).await?) }).await?))
}

/// Ends the kernel and starts another one.
///
/// All values are lost; the cells keep their results.
#[utoipa::path(
    post,
    path = "/api/notebooks/{id}/kernel/restart",
    operation_id = "restartKernel",
    tag = "Running",
    params(NotebookPath),
    responses((status = 200, description = "The kernel that is being started.", body = KernelOut)),
)]
pub(crate) async fn restart(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    _: IgnoredBody,
) -> HandlerResult {
    json(256, &KernelOut::new(&state.change(async { Ok(state.service.restart_kernel(&user, &id).await?) }).await?))
}

/// Reads the state of the kernel.
#[utoipa::path(
    get,
    path = "/api/notebooks/{id}/kernel",
    operation_id = "getKernel",
    tag = "Running",
    params(NotebookPath),
    responses((status = 200, description = "The kernel, and the cells that wait for it.", body = KernelOut)),
)]
pub(crate) async fn kernel(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
) -> HandlerResult {
    json(256, &KernelOut::new(&state.read(state.service.kernel(&user, &id)).await?))
}

fn seconds(WaitIn { wait }: &WaitIn) -> Duration {
    let wait = u64::from(wait.unwrap_or_default());
    Duration::from_secs(wait.min(MAX_WAIT_SECONDS))
}

fn response(id: &NotebookId, run: &Run) -> HandlerResult {
    let mut response: HttpResponse = json(256, &RunOut::new(run))?;
    if !run.record.is_done() {
        *response.status_mut() = StatusCode::ACCEPTED;
        let address = format!("/api/notebooks/{}/runs/{}", encode(id.as_str()), run.id);
        if let Ok(address) = address.parse() {
            response.headers_mut().insert(LOCATION, address);
        }
    }
    Ok(response)
}
