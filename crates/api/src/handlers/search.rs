//! Searching one's own notebooks.

use actix_web::web;
use quire_storage::{CellHit, Hit, InvalidCursor, InvalidSearch, PageRequest, SearchPage, SearchText};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app_state::AppState;
use crate::extract::body::Query;
use crate::middleware::guard::Caller;
use crate::problem::Problem;
use crate::response::{Answer, json, read, resource};
use crate::wire::NextOut;

/// Notebooks on a page, unless the query says otherwise, and at most.
const USUAL: usize = 50;
const MAX: usize = 200;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/search", "GET, HEAD").route(read().to(search)));
}

/// What to look for, and which part of what is found to tell.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchIn {
    /// What to look for, not all blank; the letters A to Z stand for a to z too.
    #[param(min_length = 1, max_length = 200, pattern = r"\S")]
    q: String,
    /// How many notebooks at most: 50 without it, and never more than 200.
    #[param(minimum = 1, nullable = false)]
    limit: Option<usize>,
    /// Where the part begins: the `next_cursor` of the part before it.
    #[param(min_length = 1, nullable = false)]
    cursor: Option<String>,
}

/// What is found, oldest notebooks first.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchResults)]
pub(crate) struct SearchOut<'a> {
    results: Vec<HitOut<'a>>,
    /// Where the next part begins; null when this was the last.
    #[schema(value_type = Option<String>, required)]
    next_cursor: NextOut,
}

/// A notebook in which the text is.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchResult)]
struct HitOut<'a> {
    notebook_id: &'a str,
    /// The id where there is no name.
    name: &'a str,
    /// Whether the text is in the name.
    in_name: bool,
    /// The first of the cells in whose code the text is, in document order.
    #[schema(max_items = 10)]
    cells: Vec<CellHitOut<'a>>,
}

/// A cell in whose code the text is.
#[derive(Serialize, ToSchema)]
#[schema(as = CellSearchResult)]
struct CellHitOut<'a> {
    cell_id: &'a str,
    /// The line where it begins for the first time, from 1.
    #[schema(minimum = 1)]
    line: usize,
    /// That line, or the part of it where the text begins.
    #[schema(max_length = 200)]
    text: &'a str,
}

/// Searches your notebooks.
///
/// Looks for a text in the names and the code of your notebooks, and tells the first cells that have it.
#[utoipa::path(
    get,
    path = "/api/search",
    operation_id = "searchNotebooks",
    tag = "Notebooks",
    params(SearchIn),
    responses((status = 200, description = "What was found; the oldest notebooks first.", body = SearchOut)),
)]
pub(crate) async fn search(shared: web::Data<AppState>, Caller(user): Caller, Query(query): Query<SearchIn>) -> Answer {
    let SearchIn { q, limit, cursor } = query;
    let text = SearchText::new(&q).map_err(|error: InvalidSearch| Problem::unfit_query("q", &error))?;
    if limit == Some(0) {
        return Err(Problem::unfit_query("limit", &"it must be at least 1"));
    }
    let after = cursor.map(|cursor| cursor.parse()).transpose();
    let after = after.map_err(|error: InvalidCursor| Problem::unfit_query("cursor", &error))?;
    let page = PageRequest { limit: Some(limit.unwrap_or(USUAL).min(MAX)), after };
    let SearchPage { hits, next } = shared.read(shared.service.search(&user, &text, &page)).await?;
    let results: Vec<_> = hits.iter().map(hit_out).collect();
    json(64 + 512 * results.len(), &SearchOut { results, next_cursor: NextOut::new(next.as_ref()) })
}

fn hit_out(Hit { notebook, in_name, cells }: &Hit) -> HitOut<'_> {
    let notebook_id = notebook.id.as_str();
    let cells = cells.iter().map(|CellHit { id, line, text }| CellHitOut { cell_id: id.as_str(), line: *line, text });
    let name = notebook.name.as_deref().unwrap_or(notebook_id);
    HitOut { notebook_id, name, in_name: *in_name, cells: cells.collect() }
}
