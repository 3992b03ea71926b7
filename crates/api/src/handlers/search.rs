//! The route of searches.

use actix_web::web;
use quire_storage::{InvalidCursor, InvalidSearch, PageRequest, SearchPage, SearchText};

use crate::app_state::AppState;
use crate::extract::{Caller, Query};
use crate::problem::Problem;
use crate::response::{HandlerResult, json, read, resource};
use crate::wire::{SearchIn, SearchOut};

/// Default number of notebooks on a page.
const DEFAULT_LIMIT: usize = 50;
/// Maximum number of notebooks on a page.
const MAX_LIMIT: usize = 200;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/search", "GET, HEAD").route(read().to(search)));
}

/// Searches your notebooks.
///
/// The text is searched in the names and the code of your notebooks. Each result has the first cells that contain it.
#[utoipa::path(
    get,
    path = "/api/search",
    operation_id = "searchNotebooks",
    tag = "Notebooks",
    params(SearchIn),
    responses((status = 200, description = "The results, the oldest notebooks first.", body = SearchOut)),
)]
pub(crate) async fn search(
    state: web::Data<AppState>,
    Caller(user): Caller,
    Query(query): Query<SearchIn>,
) -> HandlerResult {
    let SearchIn { q, limit, cursor } = query;
    let text = SearchText::new(&q).map_err(|error: InvalidSearch| Problem::unfit_query("q", &error))?;
    if limit == Some(0) {
        return Err(Problem::unfit_query("limit", &"it must be at least 1"));
    }
    let after = cursor.map(|cursor| cursor.parse()).transpose();
    let after = after.map_err(|error: InvalidCursor| Problem::unfit_query("cursor", &error))?;
    let page = PageRequest { limit: Some(limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)), after };
    let SearchPage { hits, next } = state.read(state.service.search(&user, &text, &page)).await?;
    json(64 + 512 * hits.len(), &SearchOut::new(&hits, next.as_ref()))
}
