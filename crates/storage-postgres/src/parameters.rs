//! Cells, outputs and idempotency records as parameters: an array for each column, so that one statement writes any
//! number of rows. Each group sets the names that the SQL files use for it.

use std::borrow::Cow;

use quire_domain::{Cell, CellId, Extra, Results, Timestamp};
use quire_storage::IdempotencyRecord;

use crate::named_sql::{ABSENT, ABSENT_TIME, Parameters};
use crate::text;

/// Results of a run, without the outputs.
#[derive(Debug, Default)]
struct ResultColumns {
    statuses: Vec<String>,
    stdouts: Vec<String>,
    errors: Vec<String>,
    code_digests: Vec<String>,
    run_digests: Vec<String>,
    run_starts: Vec<Timestamp>,
    run_ends: Vec<Timestamp>,
    output_counts: Vec<i32>,
}

impl ResultColumns {
    fn push(&mut self, results: &Results) {
        self.statuses.push(results.status.as_str().to_owned());
        self.stdouts.push(encoded(&results.stdout));
        self.errors.push(or_absent(results.error.as_deref().map(text::encode)));
        self.code_digests.push(or_absent(results.code_digest.as_deref()));
        self.run_digests.push(or_absent(results.run_digest.map(|digest| digest.to_string())));
        self.run_starts.push(results.started_at.unwrap_or(ABSENT_TIME));
        self.run_ends.push(results.finished_at.unwrap_or(ABSENT_TIME));
        self.output_counts.push(ordinal(results.outputs.len()));
    }
}

/// Columns of whole cells.
#[derive(Debug, Default)]
pub(crate) struct CellColumns {
    ids: Vec<String>,
    order_keys: Vec<String>,
    types: Vec<String>,
    codes: Vec<String>,
    reads: Vec<String>,
    writes: Vec<String>,
    revisions: Vec<i64>,
    extras: Vec<String>,
    results: ResultColumns,
}

impl CellColumns {
    pub(crate) fn push(&mut self, cell: &Cell) -> Result<(), serde_json::Error> {
        self.ids.push(cell.id.as_str().to_owned());
        self.order_keys.push(cell.order.as_str().to_owned());
        self.types.push(cell.cell_type.as_str().to_owned());
        self.codes.push(encoded(&cell.code));
        self.reads.push(text::array(cell.reads()));
        self.writes.push(text::array(cell.writes()));
        self.revisions.push(cell.revision.0);
        self.extras.push(or_absent(extra(&cell.extra)?));
        self.results.push(&cell.results);
        Ok(())
    }

    pub(crate) fn set(self, parameters: Parameters) -> Parameters {
        parameters
            .set("cell_ids", self.ids)
            .set("cell_order_keys", self.order_keys)
            .set("cell_types", self.types)
            .set("cell_codes", self.codes)
            .set("cell_reads", self.reads)
            .set("cell_writes", self.writes)
            .set("cell_revisions", self.revisions)
            .set("cell_extras", self.extras)
            .set("cell_statuses", self.results.statuses)
            .set("cell_stdouts", self.results.stdouts)
            .set("cell_errors", self.results.errors)
            .set("cell_code_digests", self.results.code_digests)
            .set("cell_run_digests", self.results.run_digests)
            .set("cell_run_starts", self.results.run_starts)
            .set("cell_run_ends", self.results.run_ends)
            .set("cell_output_counts", self.results.output_counts)
    }
}

/// Columns of changes of existing cells; `None` leaves a value unchanged.
#[derive(Debug, Default)]
pub(crate) struct UpdateColumns {
    ids: Vec<String>,
    order_keys: Vec<String>,
    types: Vec<String>,
    codes: Vec<String>,
    reads: Vec<String>,
    writes: Vec<String>,
    revisions: Vec<i64>,
    are_recreated: Vec<bool>,
    extras: Vec<String>,
    have_results: Vec<bool>,
    results: ResultColumns,
}

/// Change of one existing cell.
#[derive(Debug)]
pub(crate) struct CellUpdate<'a> {
    pub(crate) id: &'a CellId,
    pub(crate) revision: i64,
    pub(crate) order_key: Option<&'a str>,
    pub(crate) cell_type: Option<&'static str>,
    pub(crate) code: Option<&'a str>,
    pub(crate) reads: Option<Vec<&'a str>>,
    pub(crate) writes: Option<Vec<&'a str>>,
    /// Results of a run, if they change.
    pub(crate) results: Option<&'a Results>,
    /// The unknown fields of a cell that was deleted and created again.
    pub(crate) extra: Option<&'a Extra>,
}

impl UpdateColumns {
    pub(crate) fn push(&mut self, update: &CellUpdate<'_>, no_results: &Results) -> Result<(), serde_json::Error> {
        let array = |names: &Option<Vec<&str>>| names.as_ref().map(|names| text::array(names.iter().copied()));
        self.ids.push(update.id.as_str().to_owned());
        self.order_keys.push(or_absent(update.order_key));
        self.types.push(or_absent(update.cell_type));
        self.codes.push(or_absent(update.code.map(text::encode)));
        self.reads.push(or_absent(array(&update.reads)));
        self.writes.push(or_absent(array(&update.writes)));
        self.revisions.push(update.revision);
        self.are_recreated.push(update.extra.is_some());
        self.extras.push(or_absent(update.extra.map(extra).transpose()?.flatten()));
        self.have_results.push(update.results.is_some());
        self.results.push(update.results.unwrap_or(no_results));
        Ok(())
    }

    pub(crate) fn set(self, parameters: Parameters) -> Parameters {
        parameters
            .set("updated_ids", self.ids)
            .set("updated_order_keys", self.order_keys)
            .set("updated_types", self.types)
            .set("updated_codes", self.codes)
            .set("updated_reads", self.reads)
            .set("updated_writes", self.writes)
            .set("updated_revisions", self.revisions)
            .set("updated_are_recreated", self.are_recreated)
            .set("updated_extras", self.extras)
            .set("updated_have_results", self.have_results)
            .set("updated_statuses", self.results.statuses)
            .set("updated_stdouts", self.results.stdouts)
            .set("updated_errors", self.results.errors)
            .set("updated_code_digests", self.results.code_digests)
            .set("updated_run_digests", self.results.run_digests)
            .set("updated_run_starts", self.results.run_starts)
            .set("updated_run_ends", self.results.run_ends)
            .set("updated_output_counts", self.results.output_counts)
    }
}

/// Columns of outputs of cells.
#[derive(Debug, Default)]
pub(crate) struct OutputColumns {
    cell_ids: Vec<String>,
    ordinals: Vec<i32>,
    mime_types: Vec<String>,
    data: Vec<String>,
    metadata: Vec<String>,
}

impl OutputColumns {
    pub(crate) fn push(&mut self, cell: &CellId, results: &Results) {
        for (index, output) in results.outputs.iter().enumerate() {
            self.cell_ids.push(cell.as_str().to_owned());
            self.ordinals.push(ordinal(index));
            self.mime_types.push(output.mime_type.clone());
            self.data.push(output.data.as_str().to_owned());
            self.metadata.push(output.metadata.as_str().to_owned());
        }
    }

    pub(crate) fn set(self, parameters: Parameters) -> Parameters {
        parameters
            .set("output_cell_ids", self.cell_ids)
            .set("output_ordinals", self.ordinals)
            .set("output_mime_types", self.mime_types)
            .set("output_data", self.data)
            .set("output_metadata", self.metadata)
    }
}

/// Sets the columns of idempotency records.
pub(crate) fn set_records(parameters: Parameters, records: &[IdempotencyRecord]) -> Parameters {
    let column = |of: fn(&IdempotencyRecord) -> String| records.iter().map(of).collect::<Vec<_>>();
    parameters
        .set("record_users", column(|record| record.user.as_str().to_owned()))
        .set("record_keys", records.iter().map(|record| record.key.0.to_vec()).collect::<Vec<_>>())
        .set("record_requests", records.iter().map(|record| record.request.0.to_vec()).collect::<Vec<_>>())
        .set("record_outcomes", column(|record| record.outcome.to_string()))
        .set("record_times", records.iter().map(|record| record.at).collect::<Vec<_>>())
}

/// Returns unknown fields as JSON; `None`, which is NULL, if there are none.
pub(crate) fn extra(extra: &Extra) -> Result<Option<String>, serde_json::Error> {
    if extra.is_empty() { Ok(None) } else { serde_json::to_string(extra).map(Some) }
}

/// Returns text that may contain NUL in its stored form.
pub(crate) fn encoded(text: &str) -> String {
    text::encode(text).into_owned()
}

fn or_absent<'a>(text: Option<impl Into<Cow<'a, str>>>) -> String {
    text.map_or_else(|| ABSENT.to_owned(), |text| text.into().into_owned())
}

/// Returns an output's position. Outputs have at most eight million bytes together, so their number fits.
fn ordinal(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
