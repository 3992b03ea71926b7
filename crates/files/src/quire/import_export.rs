//! Export to and import from Quire's format: one file with everything, results included, except the secret.

use std::borrow::Cow;
use std::sync::Arc;

use quire_domain::{Cell, CellStatus, Extra, Json, Notebook, Output, Results};

use super::run::RunDetails;
use super::write::write_notebook;
use super::{Defaults, Parsed, UnwritableField, read, write_with_results};
use crate::bounded::BoundedText;
use crate::fields;
use crate::jupyter::{JUPYTER, preserved_outputs};
use crate::problem::ParseError;
use crate::safe::Sanitiser;
use crate::{ExportError, Imported};

/// The field of a cell with its [`RunDetails`].
pub(crate) const RUN: &str = "run";

/// Writes a notebook as a file for its owner: with the results of runs, without the connection string.
///
/// # Errors
/// When an unknown field has the name of a known one.
pub fn export(notebook: &Notebook) -> Result<String, UnwritableField> {
    write_with_results(&exported(notebook))
}

/// Writes a notebook as [`export`] does, up to a maximum of bytes.
pub(crate) fn export_within(notebook: &Notebook, max_bytes: usize) -> Result<String, ExportError> {
    Ok(write_notebook(&exported(notebook), true, BoundedText::new(max_bytes))?.finish()?)
}

/// Makes the notebook to export.
fn exported(notebook: &Notebook) -> Notebook {
    let cells = notebook.cells.iter().map(|cell| Cell { extra: with_run(cell), ..Cell::clone(cell) });
    Notebook { connection: None, cells: cells.collect(), ..notebook.clone() }
}

/// Reads a file that [`export`] or an older server wrote, or a response of this API. Its source is not trusted, so outputs are
/// sanitised.
///
/// # Errors
/// [`ParseError`] describes the problem and its place.
pub fn import(bytes: &[u8], defaults: &Defaults) -> Result<Imported, ParseError> {
    let Parsed { mut notebook, nan, .. } = read(bytes, defaults)?;
    let mut notices = Vec::new();
    if nan {
        notices.push(NAN.to_owned());
    }
    let mut sanitiser = Sanitiser::default();
    let cells = notebook.cells.iter().enumerate().map(|(index, cell)| {
        let cell = imported(cell, &mut sanitiser);
        // Sanitised outputs may be longer.
        cell.results.check().map_err(|limit| ParseError::of_limit(format!("cell {}: {limit}", index + 1)))?;
        Ok(cell)
    });
    notebook.cells = cells.collect::<Result<Vec<Cell>, ParseError>>()?.into_iter().collect();
    notices.extend(sanitiser.notices());
    Ok(Imported { notebook, notices })
}

/// Notice about words that are not JSON.
pub(crate) const NAN: &str = "`NaN` and `Infinity`, which JSON has not, were read as null";

fn imported(cell: &Cell, sanitiser: &mut Sanitiser) -> Cell {
    let mut results = Results::clone(&cell.results);
    let all: Vec<(Output, bool)> = results.outputs.drain(..).map(|output| sanitised(output, sanitiser)).collect();
    results.outputs = all.iter().filter(|(_, is_shown)| *is_shown).map(|(output, _)| output.clone()).collect();
    let run = cell.extra.iter().find(|(name, _)| *name == RUN).and_then(|(_, run)| RunDetails::read(run));
    let mut extra = cell.extra.clone();
    if let Some(run) = run {
        run.apply(&mut results);
        extra = Extra::new(other_fields(cell).collect());
    }
    let has_hidden = all.len() > results.outputs.len() && extra.iter().all(|(name, _)| name != JUPYTER);
    if has_hidden && let Some(preserved) = preserved_outputs(&cell.code_digest(), &results, &all) {
        let fields = extra.iter().map(|(name, value)| (Box::from(name), value.clone()));
        extra = Extra::new(fields.chain([(Box::from(JUPYTER), preserved)]).collect());
    }
    Cell { results: Arc::new(results), extra, ..cell.clone() }
}

/// Returns the sanitised output, and whether it may be shown.
fn sanitised(output: Output, sanitiser: &mut Sanitiser) -> (Output, bool) {
    let Some(data) = sanitiser.data(&output.mime_type, &output.data).map(Cow::into_owned) else {
        sanitiser.not_shown([&*output.mime_type]);
        return (output, false);
    };
    sanitiser.changed += usize::from(data != output.data);
    (Output { data, ..output }, true)
}

fn other_fields(cell: &Cell) -> impl Iterator<Item = (Box<str>, Json)> {
    cell.extra.iter().filter(|(name, _)| *name != RUN).map(|(name, value)| (Box::from(name), value.clone()))
}

/// Returns the cell's unknown fields, with the field [`RUN`] if a reader could not derive it from the results.
fn with_run(cell: &Cell) -> Extra {
    let Results { error, stdout, outputs, .. } = &*cell.results;
    let derived = match error {
        Some(error) if !error.is_empty() => CellStatus::Error,
        _ if stdout.is_empty() && outputs.is_empty() => CellStatus::Idle,
        _ => CellStatus::Success,
    };
    let run = RunDetails::of(&cell.results);
    if run == RunDetails::derived(derived) {
        return cell.extra.clone();
    }
    let written = run.written();
    let written = fields::write_object(written.iter().map(|(name, value)| (*name, &**value)));
    match Json::parse(&written) {
        Ok(run) => Extra::new(other_fields(cell).chain([(Box::from(RUN), run)]).collect()),
        Err(_) => cell.extra.clone(),
    }
}
