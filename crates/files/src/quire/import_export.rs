//! Export to and import from Quire's format: one file with everything, results included, except the secret.

use std::borrow::Cow;
use std::sync::Arc;

use quire_domain::{Cell, CellStatus, Extra, Json, Notebook, Output, Results};

use super::write::write_notebook;
use super::{Defaults, Parsed, UnwritableField, read, write_with_results};
use crate::bounded::BoundedText;
use crate::fields::{self, Fields};
use crate::jupyter::{JUPYTER, preserved_outputs};
use crate::problem::ParseError;
use crate::safe::Sanitiser;
use crate::{ExportError, Imported};

/// The field of a cell with the part of a run that its results do not hold: the outcome, and the digest of the code.
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
    let run = cell.extra.iter().find(|(name, _)| *name == RUN).and_then(|(_, run)| read_run(run));
    let mut extra = cell.extra.clone();
    if let Some((status, code_digest)) = run {
        (results.status, results.code_digest) = (status, code_digest);
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
    let Results { status, error, code_digest, stdout, outputs, .. } = &*cell.results;
    let derived = match error {
        Some(error) if !error.is_empty() => CellStatus::Error,
        _ if stdout.is_empty() && outputs.is_empty() => CellStatus::Idle,
        _ => CellStatus::Success,
    };
    let is_derived = derived == *status && code_digest.is_none();
    match Json::parse(&write_run(*status, code_digest.as_deref())) {
        Ok(run) if !is_derived => Extra::new(other_fields(cell).chain([(Box::from(RUN), run)]).collect()),
        _ => cell.extra.clone(),
    }
}

/// Writes a run's outcome and the digest of its code, as JSON.
pub(crate) fn write_run(status: CellStatus, code_digest: Option<&str>) -> String {
    // The run does not go on where the file is read.
    let status = if status == CellStatus::Running { CellStatus::Idle } else { status };
    let mut written = vec![("status", fields::write_text(status.as_str()))];
    written.extend(code_digest.map(|digest| ("code_digest", fields::write_text(digest))));
    fields::write_object(written.iter().map(|(name, value)| (*name, &**value)))
}

/// Reads the text of [`write_run`]; `None` when it is something else.
fn read_run(run: &Json) -> Option<(CellStatus, Option<String>)> {
    let mut found = Fields::new();
    fields::object(run.as_str(), &mut found).ok()?;
    let mut code_digest = None;
    let mut status = None;
    for (name, value) in &found {
        match &**name {
            "status" => status = Some(serde_json::from_str::<CellStatus>(value.get()).ok()?),
            "code_digest" => code_digest = Some(read_digest(&fields::text(value, "").ok()?)?),
            _ => return None,
        }
    }
    status.filter(|status| *status != CellStatus::Running).map(|status| (status, code_digest))
}

/// Reads a digest of code; `None` if the text is none.
pub(crate) fn read_digest(text: &str) -> Option<String> {
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}
