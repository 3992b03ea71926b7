//! Cells and outputs as columns: an array for each, so that one statement writes any number of rows.

use std::borrow::Cow;

use quire_domain::{Cell, CellId, Extra, Results};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use crate::text;

/// A statement with its parameters.
pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

/// What a run left, but for the outputs.
#[derive(Debug, Default)]
struct ResultColumns<'a> {
    statuses: Vec<&'static str>,
    stdouts: Vec<Cow<'a, str>>,
    errors: Vec<Option<Cow<'a, str>>>,
    code_digests: Vec<Option<&'a str>>,
    output_counts: Vec<i32>,
}

impl<'a> ResultColumns<'a> {
    fn push(&mut self, results: &'a Results) {
        self.statuses.push(results.status.as_str());
        self.stdouts.push(text::encode(&results.stdout));
        self.errors.push(results.error.as_deref().map(text::encode));
        self.code_digests.push(results.code_digest.as_deref());
        self.output_counts.push(ordinal(results.outputs.len()));
    }

    fn bind(self, statement: Statement) -> Statement {
        statement
            .bind(self.statuses)
            .bind(self.stdouts)
            .bind(self.errors)
            .bind(self.code_digests)
            .bind(self.output_counts)
    }
}

/// Whole cells.
#[derive(Debug, Default)]
pub(crate) struct CellColumns<'a> {
    ids: Vec<&'a str>,
    order_keys: Vec<&'a str>,
    types: Vec<&'static str>,
    codes: Vec<Cow<'a, str>>,
    reads: Vec<String>,
    writes: Vec<String>,
    revisions: Vec<i64>,
    extras: Vec<Option<String>>,
    results: ResultColumns<'a>,
}

impl<'a> CellColumns<'a> {
    pub(crate) fn push(&mut self, cell: &'a Cell) -> Result<(), serde_json::Error> {
        self.ids.push(cell.id.as_str());
        self.order_keys.push(cell.order.as_str());
        self.types.push(cell.cell_type.as_str());
        self.codes.push(text::encode(&cell.code));
        self.reads.push(text::array(cell.reads()));
        self.writes.push(text::array(cell.writes()));
        self.revisions.push(cell.revision.0);
        self.extras.push(extra(&cell.extra)?);
        self.results.push(&cell.results);
        Ok(())
    }

    /// Thirteen parameters.
    pub(crate) fn bind(self, statement: Statement) -> Statement {
        let statement = statement
            .bind(self.ids)
            .bind(self.order_keys)
            .bind(self.types)
            .bind(self.codes)
            .bind(self.reads)
            .bind(self.writes)
            .bind(self.revisions)
            .bind(self.extras);
        self.results.bind(statement)
    }
}

/// Changes of cells that are there: what is `None` stays.
#[derive(Debug, Default)]
pub(crate) struct UpdateColumns<'a> {
    ids: Vec<&'a str>,
    order_keys: Vec<Option<&'a str>>,
    types: Vec<Option<&'static str>>,
    codes: Vec<Option<Cow<'a, str>>>,
    reads: Vec<Option<String>>,
    writes: Vec<Option<String>>,
    revisions: Vec<i64>,
    anew: Vec<bool>,
    extras: Vec<Option<String>>,
    ran: Vec<bool>,
    results: ResultColumns<'a>,
}

/// How one cell that is there changes.
#[derive(Debug)]
pub(crate) struct CellUpdate<'a> {
    pub(crate) id: &'a CellId,
    pub(crate) revision: i64,
    pub(crate) order_key: Option<&'a str>,
    pub(crate) cell_type: Option<&'static str>,
    pub(crate) code: Option<&'a str>,
    pub(crate) reads: Option<Vec<&'a str>>,
    pub(crate) writes: Option<Vec<&'a str>>,
    /// What a run left, if that changes.
    pub(crate) results: Option<&'a Results>,
    /// The unknown fields, of a cell that was deleted and made anew.
    pub(crate) extra: Option<&'a Extra>,
}

impl<'a> UpdateColumns<'a> {
    pub(crate) fn push(&mut self, update: &CellUpdate<'a>, no_results: &'a Results) -> Result<(), serde_json::Error> {
        let array = |names: &Option<Vec<&str>>| names.as_ref().map(|names| text::array(names.iter().copied()));
        self.ids.push(update.id.as_str());
        self.order_keys.push(update.order_key);
        self.types.push(update.cell_type);
        self.codes.push(update.code.map(text::encode));
        self.reads.push(array(&update.reads));
        self.writes.push(array(&update.writes));
        self.revisions.push(update.revision);
        self.anew.push(update.extra.is_some());
        self.extras.push(update.extra.map(extra).transpose()?.flatten());
        self.ran.push(update.results.is_some());
        self.results.push(update.results.unwrap_or(no_results));
        Ok(())
    }

    /// The first of the parameters: which cells there must be.
    pub(crate) fn bind_ids(&self, statement: Statement) -> Statement {
        statement.bind(self.ids.clone())
    }

    /// The other fourteen.
    pub(crate) fn bind_rest(self, statement: Statement) -> Statement {
        let statement = statement
            .bind(self.order_keys)
            .bind(self.types)
            .bind(self.codes)
            .bind(self.reads)
            .bind(self.writes)
            .bind(self.revisions)
            .bind(self.anew)
            .bind(self.extras)
            .bind(self.ran);
        self.results.bind(statement)
    }
}

/// Outputs of cells.
#[derive(Debug, Default)]
pub(crate) struct OutputColumns<'a> {
    cell_ids: Vec<&'a str>,
    ordinals: Vec<i32>,
    mime_types: Vec<&'a str>,
    data: Vec<&'a str>,
    metadata: Vec<&'a str>,
}

impl<'a> OutputColumns<'a> {
    pub(crate) fn push(&mut self, cell: &'a CellId, results: &'a Results) {
        for (index, output) in results.outputs.iter().enumerate() {
            self.cell_ids.push(cell.as_str());
            self.ordinals.push(ordinal(index));
            self.mime_types.push(&output.mime_type);
            self.data.push(output.data.as_str());
            self.metadata.push(output.metadata.as_str());
        }
    }

    /// Five parameters.
    pub(crate) fn bind(self, statement: Statement) -> Statement {
        statement.bind(self.cell_ids).bind(self.ordinals).bind(self.mime_types).bind(self.data).bind(self.metadata)
    }
}

/// Unknown fields as JSON; none is NULL.
pub(crate) fn extra(extra: &Extra) -> Result<Option<String>, serde_json::Error> {
    if extra.is_empty() { Ok(None) } else { serde_json::to_string(extra).map(Some) }
}

/// Outputs have at most eight million bytes together, so their number fits.
fn ordinal(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
