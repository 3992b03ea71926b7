//! Searching a user's notebooks.

use quire_storage::{CellHit, Hit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::NextOut;

/// What to look for, and which part of what is found to tell.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchIn {
    /// What to look for, not all blank; the letters A to Z stand for a to z too.
    #[param(min_length = 1, max_length = 200, pattern = r"\S")]
    pub(crate) q: String,
    /// How many notebooks at most: 50 without it, and never more than 200.
    #[param(minimum = 1, nullable = false)]
    pub(crate) limit: Option<usize>,
    /// Where the part begins: the `next_cursor` of the part before it.
    #[param(min_length = 1, nullable = false)]
    pub(crate) cursor: Option<String>,
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

impl<'a> SearchOut<'a> {
    /// `next` is where the next part begins, if there is one.
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
