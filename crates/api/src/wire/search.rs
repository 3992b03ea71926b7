//! Searching a user's notebooks.

use quire_storage::{CellHit, Hit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::NextOut;

/// A search, and the page of its results.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchIn {
    /// The text to search for, not blank. The letters A to Z match a to z too.
    #[param(min_length = 1, max_length = 200, pattern = r"\S")]
    pub(crate) q: String,
    /// The maximum number of notebooks: 50 by default, 200 at most.
    #[param(minimum = 1, nullable = false)]
    pub(crate) limit: Option<usize>,
    /// The `next_cursor` of the page before.
    #[param(min_length = 1, nullable = false)]
    pub(crate) cursor: Option<String>,
}

/// The results of a search, the oldest notebooks first.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchResults)]
pub(crate) struct SearchOut<'a> {
    results: Vec<HitOut<'a>>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<String>, required)]
    next_cursor: NextOut,
}

/// A notebook that contains the text.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchResult)]
struct HitOut<'a> {
    notebook_id: &'a str,
    /// The notebook's name, or its id if it has no name.
    name: &'a str,
    /// `true` if the name contains the text.
    in_name: bool,
    /// The first cells whose code contains the text, in document order.
    #[schema(max_items = 10)]
    cells: Vec<CellHitOut<'a>>,
}

/// A cell whose code contains the text.
#[derive(Serialize, ToSchema)]
#[schema(as = CellSearchResult)]
struct CellHitOut<'a> {
    cell_id: &'a str,
    /// The line of the first match, from 1.
    #[schema(minimum = 1)]
    line: usize,
    /// That line, or the part of it that begins with the match.
    #[schema(max_length = 200)]
    text: &'a str,
}

impl<'a> SearchOut<'a> {
    /// `next` is the cursor of the next page, if there is one.
    pub(crate) fn new(hits: &'a [Hit], next: Option<&impl ToString>) -> Self {
        Self { results: hits.iter().map(hit_out).collect(), next_cursor: NextOut::new(next) }
    }
}

fn hit_out(Hit { notebook, in_name, cells }: &Hit) -> HitOut<'_> {
    let notebook_id = notebook.id.as_str();
    let cells = cells.iter().map(|CellHit { id, line, text }| CellHitOut { cell_id: id.as_str(), line: *line, text });
    let name = notebook.name.as_deref().unwrap_or(notebook_id);
    HitOut { notebook_id, name, in_name: *in_name, cells: cells.collect() }
}
