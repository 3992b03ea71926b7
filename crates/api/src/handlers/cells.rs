//! Routes of cells.

use std::sync::Arc;

use actix_web::web;
use quire_domain::{CellId, Edit, NotebookId, Place, limits};
use quire_service::NotebookService;

use crate::app_state::AppState;
use crate::extract::{Body, CODE_BODY, CellPath, IfMatch, InFlightEdit, NotebookPath, OptionalBody, cell_id};
use crate::idempotency::{IdempotentCaller, mark_replay};
use crate::problem::{Code, Problem};
use crate::response::{HandlerResult, json, resource};
use crate::wire::{CellIn, CodeIn, CreatedCellOut, DeleteIn, EditedOut, ExpectedRevision, MoveIn, TypeIn};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/notebooks/{id}/cells", "POST").route(web::post().to(insert)))
        .service(
            resource("/api/notebooks/{id}/cells/{cell_id}", "PUT, DELETE")
                .route(web::put().to(update))
                .route(web::delete().to(delete)),
        )
        .service(resource("/api/notebooks/{id}/cells/{cell_id}/move", "POST").route(web::post().to(move_cell)))
        .service(resource("/api/notebooks/{id}/cells/{cell_id}/type", "PUT").route(web::put().to(set_type)));
}

/// Adds a cell.
#[utoipa::path(
    post,
    path = "/api/notebooks/{id}/cells",
    operation_id = "insertCell",
    tag = "Cells",
    params(NotebookPath, IfMatch, IdempotentCaller),
    request_body = CellIn,
    responses((status = 200, description = "The cell was added.", body = CreatedCellOut)),
)]
pub(crate) async fn insert(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    matched: IfMatch,
    Body(CellIn { r#type, code, after_cell_id, expected_revision }): Body<CellIn, CODE_BODY>,
) -> HandlerResult {
    let code = source(code.unwrap_or_default())?;
    let place = match after_cell_id.as_deref() {
        None | Some("") => Place::End,
        Some(after) => Place::After(cell_id(after)?),
    };
    let call = async move |service: NotebookService, context, id, expected| {
        service.insert_cell(context, &id, expected, (r#type, code), place).await
    };
    let created = state.idempotent_if(caller, id, (matched, expected_revision, None), call).await?;
    mark_replay(created.is_replay, json(64, &CreatedCellOut { cell_id: created.outcome.cell.as_str() }))
}

/// Changes a cell's code.
#[utoipa::path(
    put,
    path = "/api/notebooks/{id}/cells/{cell_id}",
    operation_id = "updateCell",
    tag = "Cells",
    params(NotebookPath, CellPath, IfMatch, IdempotentCaller),
    request_body = CodeIn,
    responses((status = 200, description = "The edit was made.", body = EditedOut)),
)]
pub(crate) async fn update(
    state: web::Data<AppState>,
    _in_flight: InFlightEdit,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    CellPath(cell): CellPath,
    matched: IfMatch,
    Body(CodeIn { code, expected_revision, merge }): Body<CodeIn, CODE_BODY>,
) -> HandlerResult {
    let edit = Edit::UpdateCell { id: cell, code: source(code)? };
    apply(&state, caller, id, (matched, expected_revision, merge), edit).await
}

/// Moves a cell.
#[utoipa::path(
    post,
    path = "/api/notebooks/{id}/cells/{cell_id}/move",
    operation_id = "moveCell",
    tag = "Cells",
    params(NotebookPath, CellPath, IfMatch, IdempotentCaller),
    request_body = MoveIn,
    responses((status = 200, description = "The edit was made.", body = EditedOut)),
)]
pub(crate) async fn move_cell(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    CellPath(cell): CellPath,
    matched: IfMatch,
    Body(MoveIn { after_cell_id, expected_revision, merge }): Body<MoveIn>,
) -> HandlerResult {
    let after: Option<CellId> = after_cell_id.as_deref().map(cell_id).transpose()?;
    let edit = Edit::MoveCell { id: cell, place: after.map_or(Place::Start, Place::After) };
    apply(&state, caller, id, (matched, expected_revision, merge), edit).await
}

/// Changes a cell's type.
#[utoipa::path(
    put,
    path = "/api/notebooks/{id}/cells/{cell_id}/type",
    operation_id = "setCellType",
    tag = "Cells",
    params(NotebookPath, CellPath, IfMatch, IdempotentCaller),
    request_body = TypeIn,
    responses((status = 200, description = "The edit was made.", body = EditedOut)),
)]
pub(crate) async fn set_type(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    CellPath(cell): CellPath,
    matched: IfMatch,
    Body(TypeIn { r#type, expected_revision, merge }): Body<TypeIn>,
) -> HandlerResult {
    let edit = Edit::SetCellType { id: cell, cell_type: r#type };
    apply(&state, caller, id, (matched, expected_revision, merge), edit).await
}

/// Deletes a cell.
#[utoipa::path(
    delete,
    path = "/api/notebooks/{id}/cells/{cell_id}",
    operation_id = "deleteCell",
    tag = "Cells",
    params(NotebookPath, CellPath, IfMatch, IdempotentCaller),
    request_body = DeleteIn,
    responses((status = 200, description = "The edit was made.", body = EditedOut)),
)]
pub(crate) async fn delete(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    CellPath(cell): CellPath,
    matched: IfMatch,
    OptionalBody(DeleteIn { expected_revision, merge }): OptionalBody<DeleteIn>,
) -> HandlerResult {
    apply(&state, caller, id, (matched, expected_revision, merge), Edit::DeleteCell { id: cell }).await
}

async fn apply(
    state: &AppState,
    caller: IdempotentCaller,
    id: NotebookId,
    condition: (IfMatch, Option<ExpectedRevision>, Option<bool>),
    edit: Edit,
) -> HandlerResult {
    let call =
        async move |service: NotebookService, context, id, expected| service.edit(context, &id, expected, edit).await;
    let edited = state.idempotent_if(caller, id, condition, call).await?;
    mark_replay(edited.is_replay, json(64, &EditedOut::new(&edited.outcome)))
}

/// Checks the length of a cell's source, before it is analysed. Too long a source is 413, because it is most of the request;
/// other values beyond their limits are 422.
fn source(code: String) -> Result<Arc<str>, Problem> {
    limits::at_most("the cell's source", "bytes", limits::CELL_SOURCE_BYTES, code.len())
        .map_err(|error| Problem::of(Code::TooLarge, &error))?;
    Ok(Arc::from(code))
}
