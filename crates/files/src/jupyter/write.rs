//! From a notebook to an `.ipynb` of version 4.5.

use std::borrow::Cow;
use std::collections::HashSet;

use quire_domain::{Cell, CellType, Extra, Notebook, Results};
use serde_json::value::RawValue;

use super::cell::CELL_FIELDS;
use super::metadata::name_of;
use super::outputs::Written;
use super::pretty::pretty;
use super::read::{MINOR, NOTEBOOK_FIELDS};
use super::reading::Reading;
use super::text::from_code;
use super::valid::{self, Of};
use super::{JUPYTER, QUIRE, ids, lines, outputs, preserved};
use crate::bounded::{BoundedText, TooLong};
use crate::fields::{Fields, write_object, write_text};
use crate::quire::write_run;

/// Language metadata of notebooks that were never Jupyter's.
const METADATA: &str = r#"{"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"},"language_info":{"name":"python"}}"#;
/// Language metadata for editors that know several languages in one notebook.
const LANGUAGE_HINT: (&str, &str) = ("vscode", r#"{"languageId":"sql"}"#);

/// Choice between a file that says which notebook it is and one that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It notes the id, for whoever brings it back under the same.
    Noted,
    /// It does not.
    LeftOut,
}

/// Writes a notebook with its results, as Jupyter would, without its connection string.
#[must_use]
pub fn write(notebook: &Notebook, identity: Identity) -> String {
    write_to(BoundedText::unbounded(), notebook, identity).taken()
}

/// As [`write()`], up to so many bytes, which what is put together before it is indented must not exceed either.
pub(crate) fn write_within(notebook: &Notebook, identity: Identity, max_bytes: usize) -> Result<String, TooLong> {
    write_to(BoundedText::new(max_bytes), notebook, identity).finish()
}

fn write_to(mut out: BoundedText, notebook: &Notebook, identity: Identity) -> BoundedText {
    let kept = preserved::fields_of(&notebook.extra).unwrap_or_default();
    let mut taken = HashSet::with_capacity(notebook.cells.len());
    let minor = preserved::get(&kept, "nbformat_minor").and_then(|minor| minor.get().parse().ok()).unwrap_or(MINOR);
    let is_later = minor > MINOR;
    let mut cells = out.empty();
    cells.push('[');
    for (index, cell) in notebook.cells.iter().enumerate() {
        if index > 0 {
            cells.push(',');
        }
        cells.push_str(&write_cell(cell, is_later, &mut taken));
        if cells.is_too_long() {
            return cells;
        }
    }
    cells.push(']');
    let (others, misfits): (Written, Written) = others(&kept, &NOTEBOOK_FIELDS).into_iter().partition(|_| is_later);
    let mut written: Written = vec![
        ("cells".into(), cells.taken()),
        ("metadata".into(), metadata_of(notebook, &kept, identity, misfits)),
        ("nbformat".into(), "4".into()),
        ("nbformat_minor".into(), minor.max(MINOR).to_string()),
    ];
    written.extend(others);
    let compact = object(&written);
    drop(written);
    pretty(&mut out, &compact);
    out
}

/// The notebook's metadata, with its name as it is now.
fn metadata_of(notebook: &Notebook, kept: &Fields<'_>, identity: Identity, misfits: Written) -> String {
    let kept = preserved::get(kept, "metadata").and_then(|metadata| preserved::object(metadata.get()));
    let metadata = kept.or_else(|| preserved::object(METADATA)).unwrap_or_default();
    let told = name_of(&metadata).and_then(|(_, name)| Notebook::name_from(&name).ok().flatten());
    let is_told = told == notebook.name;
    let others = metadata.iter().filter(|(name, _)| is_told || !matches!(&**name, "title" | "name"));
    let mut written: Written = others.map(|(name, value)| (name.to_string(), value.get().to_owned())).collect();
    if !is_told && let Some(name) = &notebook.name {
        written.push(("title".into(), write_text(name)));
    }
    let mut ours: Written = Vec::new();
    if identity == Identity::Noted {
        ours.push(("id".into(), write_text(notebook.id.as_str())));
    }
    add_extra(&mut ours, &notebook.extra);
    write_metadata(Of::Notebook, written, ours, misfits)
}

fn write_cell(cell: &Cell, is_later: bool, taken: &mut HashSet<String>) -> String {
    let kept = preserved::fields_of(&cell.extra).unwrap_or_default();
    let kept_kind = preserved::text(&kept, "cell_type");
    let has_outputs =
        !cell.results.stdout.is_empty() || !cell.results.outputs.is_empty() || cell.results.error.is_some();
    let may_be_text = cell.cell_type == CellType::Python && kept_kind.as_deref() != Some("code") && !has_outputs;
    let text = if may_be_text { from_code(&cell.code) } else { None };

    let mut ours: Written = Vec::new();
    let id = ids::written(&cell.id, taken);
    if id != cell.id.as_str() {
        ours.push(("id".into(), write_text(cell.id.as_str())));
    }
    if cell.cell_type == CellType::Sql {
        ours.push(("type".into(), write_text("sql")));
    }
    if let Some((kind, text)) = &text
        && super::text::to_code(*kind, text) != *cell.code
    {
        ours.push(("code".into(), write_text(&cell.code)));
    }
    let (count, outputs) = if text.is_some() { (None, Vec::new()) } else { outputs_of(cell, &kept, is_later) };
    let count = valid::count(count);
    ours.extend(run(cell, &outputs, count != "null").map(|run| ("run".into(), run)));
    add_extra(&mut ours, &cell.extra);

    let of_cell =
        preserved::get(&kept, "metadata").and_then(|metadata| preserved::object(metadata.get())).unwrap_or_default();
    let mut of_cell: Written = of_cell.iter().map(|(name, value)| (name.to_string(), value.get().to_owned())).collect();
    if cell.cell_type == CellType::Sql && !of_cell.iter().any(|(name, _)| name == LANGUAGE_HINT.0) {
        of_cell.push((LANGUAGE_HINT.0.into(), LANGUAGE_HINT.1.into()));
    }

    let (of, kind) = text.as_ref().map_or((Of::Code, "code"), |(kind, _)| (Of::Text(*kind), kind.as_str()));
    // Attachments, for one, belong to text only.
    let others = if kept_kind.as_deref() == Some(kind) { others(&kept, &CELL_FIELDS) } else { Written::new() };
    let fits = |(name, value): &(String, String)| is_later || valid::is_field_of_cell(of, name, value);
    let (others, misfits): (Written, Written) = others.into_iter().partition(fits);
    let mut written: Written = vec![("cell_type".into(), write_text(kind))];
    if text.is_none() {
        written.push(("execution_count".into(), count.to_owned()));
    }
    written.push(("id".into(), write_text(&id)));
    written.push(("metadata".into(), write_metadata(of, of_cell, ours, misfits)));
    if text.is_none() {
        written.push(("outputs".into(), format!("[{}]", outputs.join(","))));
    }
    let source = text.as_ref().map_or(&*cell.code, |(_, text)| text);
    let exact = preserved::get(&kept, "source").filter(|exact| lines::text(exact).is_some_and(|it| it.0 == *source));
    let source = exact.map_or_else(|| lines::write(source), |exact| lines::split(exact.get()).into_owned());
    written.push(("source".into(), source));
    written.extend(others);
    object(&written)
}

/// The cell's outputs and which run they are of: those that were read, as long as they are the cell's.
fn outputs_of<'a>(cell: &Cell, kept: &Fields<'a>, is_later: bool) -> (Option<&'a RawValue>, Vec<String>) {
    if preserved::text(kept, "tie") == Some(preserved::tie_of(cell)) {
        let entries = preserved::get(kept, "outputs").map_or("[]", RawValue::get);
        let entries: Result<Vec<&RawValue>, _> = serde_json::from_str(entries);
        if let Some(outputs) = entries.ok().and_then(|entries| outputs::of_kept(&entries, &cell.results, is_later)) {
            return (preserved::get(kept, "execution_count"), outputs);
        }
    }
    (None, outputs::of_results(&cell.results))
}

/// Metadata that a reader would not find out from the outputs, if there is any.
fn run(cell: &Cell, outputs: &[String], has_run: bool) -> Option<String> {
    let raw: Vec<Box<RawValue>> =
        outputs.iter().map(|output| RawValue::from_string(output.clone())).collect::<Result<_, _>>().ok()?;
    let raw: Vec<&RawValue> = raw.iter().map(|output| &**output).collect();
    let told = outputs::read(&raw, has_run, &mut Reading::trusting()).ok()?.results;
    let Results { status, error, code_digest, .. } = &*cell.results;
    if told.status == *status && told.error == *error && code_digest.is_none() {
        return None;
    }
    let run = write_run(*status, code_digest.as_deref());
    let mut written: Written =
        preserved::object(&run)?.iter().map(|(name, value)| (name.to_string(), value.get().to_owned())).collect();
    if told.error != *error {
        written.extend(error.as_deref().map(|error| ("error".to_owned(), write_text(error))));
    }
    written.push(("tie".into(), write_text(&preserved::tie(&cell.code_digest(), &told))));
    Some(object(&written))
}

/// The fields that we didn't know when we read them, but for any of these names.
fn others(kept: &Fields<'_>, known: &[&str]) -> Written {
    let others = preserved::get(kept, "other").and_then(|other| preserved::object(other.get())).unwrap_or_default();
    let others = others.into_iter().filter(|(name, _)| !known.contains(&&**name));
    others.map(|(name, value)| (name.into_owned(), value.get().to_owned())).collect()
}

/// Adds the unknown fields of a Quire notebook, but for what is Jupyter's, to what we note.
fn add_extra(ours: &mut Written, extra: &Extra) {
    let others = preserved::without(extra, &[JUPYTER]);
    if !others.is_empty() {
        ours.push(("extra".into(), write_object(others.iter().map(|(name, value)| (&**name, value.as_str())))));
    }
}

/// Metadata with what we note, if anything: what is ours, and what the format does not allow in metadata or beside it.
fn write_metadata(of: Of, others: Written, ours: Written, beside: Written) -> String {
    let (mut written, mut ours, mut within) = (Written::new(), ours, Written::new());
    for (name, value) in others {
        match valid::metadata(of, &name, &value).map(Cow::into_owned) {
            Some(value) => written.push((name, value)),
            None => within.push((name, value)),
        }
    }
    for (name, misfits) in [("metadata", within), ("other", beside)] {
        if !misfits.is_empty() {
            ours.push((name.into(), object(&misfits)));
        }
    }
    if !ours.is_empty() {
        written.retain(|(name, _)| name != QUIRE);
        written.push((QUIRE.into(), object(&ours)));
    }
    object(&written)
}

fn object(written: &Written) -> String {
    write_object(written.iter().map(|(name, value)| (&**name, &**value)))
}
