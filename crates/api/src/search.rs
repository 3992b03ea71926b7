//! Searching one's own notebooks.

use actix_web::web;
use quire_storage::{CellHit, Hit, InvalidCursor, InvalidSearch, PageRequest, SearchPage, SearchText};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, json, read, resource};
use crate::extract::Query;
use crate::guard::Caller;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::wire::NextOut;

/// Notebooks on a page, unless the query says otherwise, and at most.
const USUAL: usize = 50;
const MOST: usize = 200;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/search", "GET, HEAD").route(read().to(search)));
}

/// What to look for, and which part of what is found to tell.
#[derive(Deserialize)]
struct SearchIn {
    q: String,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// What is found, oldest notebooks first.
#[derive(Serialize)]
struct SearchOut<'a> {
    results: Vec<HitOut<'a>>,
    next_cursor: NextOut,
}

#[derive(Serialize)]
struct HitOut<'a> {
    notebook_id: &'a str,
    /// As in lists: the id where there is no name.
    name: &'a str,
    in_name: bool,
    /// The first of the cells, in document order.
    cells: Vec<CellHitOut<'a>>,
}

#[derive(Serialize)]
struct CellHitOut<'a> {
    cell_id: &'a str,
    line: usize,
    text: &'a str,
}

async fn search(shared: web::Data<Shared>, Caller(user): Caller, Query(query): Query<SearchIn>) -> Answer {
    let SearchIn { q, limit, cursor } = query;
    let text = SearchText::new(&q).map_err(|error: InvalidSearch| Problem::unfit_query("q", &error))?;
    if limit == Some(0) {
        return Err(Problem::unfit_query("limit", &"it must be at least 1"));
    }
    let after = cursor.map(|cursor| cursor.parse()).transpose();
    let after = after.map_err(|error: InvalidCursor| Problem::unfit_query("cursor", &error))?;
    let page = PageRequest { limit: Some(limit.unwrap_or(USUAL).min(MOST)), after };
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
