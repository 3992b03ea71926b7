//! Routes of notebooks.

use actix_web::body::BoxBody;
use actix_web::http::header::{ETAG, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use quire_domain::{ConnectionString, Edit, Notebook, NotebookId, limits::Invalid};
use quire_service::{Duplicated, IdempotentOutcome, InvalidSort, NotebookService, ServiceError, Sort, SortCursor};
use quire_storage::{InvalidCursor, PageRequest};

use super::notebook_stream::StreamedNotebook;
use crate::app_state::AppState;
use crate::etag::{self, IfNoneMatch};
use crate::extract::{Body, Caller, IfMatch, IgnoredBody, NotebookPath, OptionalBody, Query};
use crate::idempotency::{IdempotentCaller, mark_replay};
use crate::problem::Problem;
use crate::response::{HandlerResult, json, json_bytes, read, render, resource};
use crate::wire::{
    ConnectionIn, CreatedNotebookOut, DeleteNotebookIn, DoneOut, DuplicatedOut, ListOut, NameIn, NextOut, NotebookOut,
    PageIn, ReactiveIn, RenamedOut, cell_size,
};

/// Estimated bytes of a notebook beyond which its response is streamed.
const MAX_BUFFERED_BYTES: usize = 1024 * 1024;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/notebooks", "GET, HEAD, POST").route(read().to(list)).route(web::post().to(create)))
        .service(
            resource("/api/notebooks/{id}", "GET, HEAD, DELETE").route(read().to(get)).route(web::delete().to(delete)),
        )
        .service(resource("/api/notebooks/{id}/name", "PUT").route(web::put().to(rename)))
        .service(resource("/api/notebooks/{id}/db", "PUT").route(web::put().to(connect)))
        .service(resource("/api/notebooks/{id}/reactive", "PUT").route(web::put().to(set_reactive)))
        .service(resource("/api/notebooks/{id}/duplicate", "POST").route(web::post().to(duplicate)));
}

/// Creates a notebook with one empty Python cell.
///
/// A body is ignored.
#[utoipa::path(
    post,
    path = "/api/notebooks",
    operation_id = "createNotebook",
    tag = "Notebooks",
    params(IdempotentCaller),
    responses((status = 200, description = "The notebook was created.", body = CreatedNotebookOut)),
)]
pub(crate) async fn create(state: web::Data<AppState>, caller: IdempotentCaller, _: IgnoredBody) -> HandlerResult {
    let call = async move |service: NotebookService, context| Ok(service.create(context).await?);
    let made: IdempotentOutcome<NotebookId> = state.idempotent(caller, call).await?;
    mark_replay(made.is_replay, json(64, &CreatedNotebookOut { notebook_id: made.outcome.as_str() }))
}

/// Lists your notebooks.
///
/// The list is complete, and has the oldest first, unless the query selects a page or another order. The two notebooks that
/// every user has, `blank-…` and `demo-…`, are created if they are missing.
#[utoipa::path(
    get,
    path = "/api/notebooks",
    operation_id = "listNotebooks",
    tag = "Notebooks",
    params(PageIn),
    responses((status = 200, description = "The list, or the page.", body = ListOut)),
)]
pub(crate) async fn list(
    state: web::Data<AppState>,
    Caller(user): Caller,
    Query(page): Query<PageIn>,
) -> HandlerResult {
    let PageIn { limit, cursor, sort } = page;
    let paged = limit.is_some() || cursor.is_some();
    if limit == Some(0) {
        return Err(Problem::unfit_query("limit", &"it must be at least 1"));
    }
    let sort: Option<Sort> =
        sort.map(|sort| sort.parse()).transpose().map_err(|error: InvalidSort| Problem::unfit_query("sort", &error))?;
    let unfit_cursor = |error: InvalidCursor| Problem::unfit_query("cursor", &error);
    let Some(sort) = sort else {
        let after = cursor.map(|cursor| cursor.parse()).transpose().map_err(unfit_cursor)?;
        let page = state.read(state.service.list(&user, &PageRequest { limit, after })).await?;
        let next = paged.then(|| NextOut::new(page.next.as_ref()));
        return json(64 + 128 * page.notebooks.len(), &ListOut::new(&page.notebooks, &page.damaged, next));
    };
    let after: Option<SortCursor> = cursor.map(|cursor| cursor.parse()).transpose().map_err(unfit_cursor)?;
    if after.as_ref().is_some_and(|after| after.sort() != sort) {
        return Err(Problem::unfit_query("cursor", &"it is of a list in another order"));
    }
    let page = state.read(state.service.list_sorted(&user, sort, limit, after.as_ref())).await?;
    let next = paged.then(|| NextOut::new(page.next.as_ref()));
    json(64 + 128 * page.notebooks.len(), &ListOut::new(&page.notebooks, &page.damaged, next))
}

/// Reads a notebook with its cells.
#[utoipa::path(
    get,
    path = "/api/notebooks/{id}",
    operation_id = "getNotebook",
    tag = "Notebooks",
    params(NotebookPath, IfNoneMatch),
    responses(
        (
            status = 200,
            description = "The notebook.",
            body = NotebookOut,
            headers(("ETag" = String, description = "For `If-None-Match` and `If-Match`; absent while the store is unavailable.")),
        ),
        (
            status = 304,
            description = "The notebook has not changed since the state of `If-None-Match`.",
            headers(("ETag" = String, description = "The same as in the request.")),
        ),
    ),
)]
pub(crate) async fn get(
    state: web::Data<AppState>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    request: HttpRequest,
) -> HandlerResult {
    let view = state.read(state.service.get(&user, &id)).await?;
    let etag = etag::of(&view);
    if let Some(response) = etag::not_modified(request.headers(), etag.as_ref()) {
        return Ok(response);
    }
    let bytes = if let Some(bytes) = state.responses.get(&view) {
        bytes
    } else {
        let size: usize = view.notebook.cells.iter().map(|cell| cell_size(cell)).sum();
        if size > MAX_BUFFERED_BYTES {
            let hold = state.hold_response(&user, StreamedNotebook::chunk_size(&view))?;
            let pin = state.read(state.service.pin(&view)).await?;
            return Ok(with_etag(json_bytes(BoxBody::new(StreamedNotebook::new(view, pin, hold))), etag));
        }
        let bytes = render(512 + size, &NotebookOut::new(&view))?;
        state.responses.insert(&view, &bytes);
        bytes
    };
    Ok(with_etag(json_bytes(bytes), etag))
}

fn with_etag(mut response: HttpResponse, etag: Option<HeaderValue>) -> HttpResponse {
    if let Some(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// Renames a notebook.
#[utoipa::path(
    put,
    path = "/api/notebooks/{id}/name",
    operation_id = "renameNotebook",
    tag = "Notebooks",
    params(NotebookPath, IfMatch, IdempotentCaller),
    request_body = NameIn,
    responses((status = 200, description = "The notebook was renamed.", body = RenamedOut)),
)]
pub(crate) async fn rename(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    matched: IfMatch,
    Body(NameIn { name, expected_revision }): Body<NameIn>,
) -> HandlerResult {
    let name = name.unwrap_or_default();
    let kept = Notebook::name_from(&name).map_err(invalid)?;
    let call = async move |service: NotebookService, context, id, expected| {
        service.edit(context, &id, expected, Edit::Rename { name }).await
    };
    let renamed = state.idempotent_if(caller, id, (matched, expected_revision, None), call).await?;
    // The same request, hence the same name.
    mark_replay(renamed.is_replay, json(512, &RenamedOut::new(kept.as_deref())))
}

/// Sets the connection string that SQL cells use.
///
/// It is encrypted if the server has a secret key, and never shown with its password again.
#[utoipa::path(
    put,
    path = "/api/notebooks/{id}/db",
    operation_id = "setConnection",
    tag = "Notebooks",
    params(NotebookPath, IfMatch, IdempotentCaller),
    request_body = ConnectionIn,
    responses((status = 200, description = "The connection string was set.", body = DoneOut)),
)]
pub(crate) async fn connect(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    matched: IfMatch,
    Body(ConnectionIn { connection_string, expected_revision }): Body<ConnectionIn>,
) -> HandlerResult {
    let entered = ConnectionString::new(&connection_string.unwrap_or_default()).map_err(invalid)?;
    let call = async move |service: NotebookService, context, id, expected| {
        service.set_connection(context, &id, expected, entered).await
    };
    let connected = state.idempotent_if(caller, id, (matched, expected_revision, None), call).await?;
    mark_replay(connected.is_replay, json(32, &DoneOut::new()))
}

/// Sets whether a run of a cell also runs the cells that depend on it.
///
/// If not, those cells turn stale, and are run when asked for.
#[utoipa::path(
    put,
    path = "/api/notebooks/{id}/reactive",
    operation_id = "setReactive",
    tag = "Notebooks",
    params(NotebookPath, IfMatch, IdempotentCaller),
    request_body = ReactiveIn,
    responses((status = 200, description = "The notebook is as asked for.", body = DoneOut)),
)]
pub(crate) async fn set_reactive(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    matched: IfMatch,
    Body(ReactiveIn { reactive, expected_revision }): Body<ReactiveIn>,
) -> HandlerResult {
    let call = async move |service: NotebookService, context, id, expected| {
        service.edit(context, &id, expected, Edit::SetReactive { reactive }).await
    };
    let set = state.idempotent_if(caller, id, (matched, expected_revision, None), call).await?;
    mark_replay(set.is_replay, json(32, &DoneOut::new()))
}

/// Duplicates a notebook.
///
/// A body is ignored.
#[utoipa::path(
    post,
    path = "/api/notebooks/{id}/duplicate",
    operation_id = "duplicateNotebook",
    tag = "Notebooks",
    params(NotebookPath, IdempotentCaller),
    responses((status = 200, description = "The copy was created.", body = DuplicatedOut)),
)]
pub(crate) async fn duplicate(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    _: IgnoredBody,
) -> HandlerResult {
    let call = async move |service: NotebookService, context| Ok(service.duplicate(context, &id).await?);
    let IdempotentOutcome { outcome, is_replay } = state.idempotent(caller, call).await?;
    let Duplicated { id, name, has_connection } = outcome;
    mark_replay(is_replay, json(512, &DuplicatedOut { notebook_id: id.as_str(), name: &name, has_connection }))
}

/// Deletes a notebook permanently.
#[utoipa::path(
    delete,
    path = "/api/notebooks/{id}",
    operation_id = "deleteNotebook",
    tag = "Notebooks",
    params(NotebookPath, IfMatch, IdempotentCaller),
    request_body = DeleteNotebookIn,
    responses((status = 200, description = "The notebook was deleted.", body = DoneOut)),
)]
pub(crate) async fn delete(
    state: web::Data<AppState>,
    caller: IdempotentCaller,
    NotebookPath(id): NotebookPath,
    matched: IfMatch,
    OptionalBody(DeleteNotebookIn { expected_revision }): OptionalBody<DeleteNotebookIn>,
) -> HandlerResult {
    let call = async move |service: NotebookService, context, id, expected| {
        service.delete_expecting(context, &id, expected).await
    };
    let deleted = state.idempotent_if(caller, id.clone(), (matched, expected_revision, None), call).await?;
    state.responses.forget(&id);
    mark_replay(deleted.is_replay, json(32, &DoneOut::new()))
}

fn invalid(error: Invalid) -> Problem {
    ServiceError::from(error).into()
}
