//! Writing a notebook as an `.ipynb` of version 4.5.

use std::borrow::Cow;
use std::collections::HashSet;

use quire_domain::{Cell, CellType, Extra, Notebook, Results};
use serde_json::value::RawValue;

use super::cell::CELL_FIELDS;
use super::metadata::name_of;
use super::pretty::pretty;
use super::read::{MINOR, NOTEBOOK_FIELDS};
use super::reading::Reading;
use super::text::from_code;
use super::valid::{self, MetadataOwner};
use super::{JUPYTER, QUIRE, ids, lines, outputs, preserved};
use crate::bounded::{BoundedText, TooLong};
use crate::fields::{Fields, WrittenFields, to_written, write_fields, write_object, write_text};
use crate::quire::RunDetails;

/// Language metadata of notebooks that were never Jupyter's.
const METADATA: &str = r#"{"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"},"language_info":{"name":"python"}}"#;
/// Language metadata for editors that know several languages in one notebook.
const LANGUAGE_HINT: (&str, &str) = ("vscode", r#"{"languageId":"sql"}"#);

/// Choice of whether the file holds the notebook's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The file holds the id, so that an import can give the notebook the same one.
    Noted,
    /// The file holds no id.
    LeftOut,
}

/// Writes a notebook with its results, as Jupyter would, without its connection string.
#[must_use]
pub fn write(notebook: &Notebook, identity: Identity) -> String {
    write_to(BoundedText::unbounded(), notebook, identity).written()
}

/// Writes a notebook as [`write()`] does, up to a maximum of bytes, also before the text is indented.
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
    let (others, misfits): (WrittenFields, WrittenFields) =
        others(&kept, &NOTEBOOK_FIELDS).into_iter().partition(|_| is_later);
    let mut written: WrittenFields = vec![
        ("cells".into(), cells.written()),
        ("metadata".into(), metadata_of(notebook, &kept, identity, misfits)),
        ("nbformat".into(), "4".into()),
        ("nbformat_minor".into(), minor.max(MINOR).to_string()),
    ];
    written.extend(others);
    let compact = write_fields(&written);
    drop(written);
    pretty(&mut out, &compact);
    out
}

/// Returns the notebook's metadata, with its present name.
fn metadata_of(notebook: &Notebook, kept: &Fields<'_>, identity: Identity, misfits: WrittenFields) -> String {
    let kept = preserved::get(kept, "metadata").and_then(|metadata| preserved::object(metadata.get()));
    let metadata = kept.or_else(|| preserved::object(METADATA)).unwrap_or_default();
    let name_in_file = name_of(&metadata).and_then(|(_, name)| Notebook::name_from(&name).ok().flatten());
    let is_current = name_in_file == notebook.name;
    let others = metadata.iter().filter(|(name, _)| is_current || !matches!(&**name, "title" | "name"));
    let mut written: WrittenFields = others.map(|(name, value)| (name.to_string(), value.get().to_owned())).collect();
    if !is_current && let Some(name) = &notebook.name {
        written.push(("title".into(), write_text(name)));
    }
    let mut ours: WrittenFields = Vec::new();
    if identity == Identity::Noted {
        ours.push(("id".into(), write_text(notebook.id.as_str())));
    }
    if !notebook.reactive {
        ours.push(("reactive".into(), "false".into()));
    }
    add_extra(&mut ours, &notebook.extra);
    write_metadata(MetadataOwner::Notebook, written, ours, misfits)
}

fn write_cell(cell: &Cell, is_later: bool, taken: &mut HashSet<String>) -> String {
    let kept = preserved::fields_of(&cell.extra).unwrap_or_default();
    let kept_kind = preserved::text(&kept, "cell_type");
    let has_outputs =
        !cell.results.stdout.is_empty() || !cell.results.outputs.is_empty() || cell.results.error.is_some();
    let may_be_text = cell.cell_type == CellType::Python && kept_kind.as_deref() != Some("code") && !has_outputs;
    let text = if may_be_text { from_code(&cell.code) } else { None };

    let mut ours: WrittenFields = Vec::new();
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
    let mut of_cell: WrittenFields = to_written(&of_cell);
    if cell.cell_type == CellType::Sql && !of_cell.iter().any(|(name, _)| name == LANGUAGE_HINT.0) {
        of_cell.push((LANGUAGE_HINT.0.into(), LANGUAGE_HINT.1.into()));
    }

    let (of, kind) =
        text.as_ref().map_or((MetadataOwner::Code, "code"), |(kind, _)| (MetadataOwner::Text(*kind), kind.as_str()));
    // Attachments, for one, belong to text only.
    let others = if kept_kind.as_deref() == Some(kind) { others(&kept, &CELL_FIELDS) } else { WrittenFields::new() };
    let fits = |(name, value): &(String, String)| is_later || valid::is_field_of_cell(of, name, value);
    let (others, misfits): (WrittenFields, WrittenFields) = others.into_iter().partition(fits);
    let mut written: WrittenFields = vec![("cell_type".into(), write_text(kind))];
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
    write_fields(&written)
}

/// Returns the number of the cell's run and its outputs: those that were read, if they are still the cell's.
fn outputs_of<'a>(cell: &Cell, kept: &Fields<'a>, is_later: bool) -> (Option<&'a RawValue>, Vec<String>) {
    if preserved::text(kept, "tie") == Some(preserved::tie_of(cell)) {
        let entries = preserved::get(kept, "outputs").map_or("[]", RawValue::get);
        let entries: Result<Vec<&RawValue>, _> = serde_json::from_str(entries);
        if let Some(outputs) = entries.ok().and_then(|entries| outputs::of_preserved(&entries, &cell.results, is_later))
        {
            return (preserved::get(kept, "execution_count"), outputs);
        }
    }
    (None, outputs::of_results(&cell.results))
}

/// Returns the metadata of a run that a reader could not derive from the outputs, if there is any.
fn run(cell: &Cell, outputs: &[String], has_run: bool) -> Option<String> {
    let raw: Vec<Box<RawValue>> =
        outputs.iter().map(|output| RawValue::from_string(output.clone())).collect::<Result<_, _>>().ok()?;
    let raw: Vec<&RawValue> = raw.iter().map(|output| &**output).collect();
    let derived = outputs::read(&raw, has_run, &mut Reading::trusting()).ok()?.results;
    let (run, Results { error, .. }) = (RunDetails::of(&cell.results), &*cell.results);
    if run == RunDetails::derived(derived.status) && derived.error == *error {
        return None;
    }
    let mut written: WrittenFields = run.written().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if derived.error != *error {
        written.extend(error.as_deref().map(|error| ("error".to_owned(), write_text(error))));
    }
    written.push(("tie".into(), write_text(&preserved::tie(&cell.code_digest(), &derived))));
    Some(write_fields(&written))
}

/// Returns the fields that were unknown when they were read, except those of these names.
fn others(kept: &Fields<'_>, known: &[&str]) -> WrittenFields {
    let others = preserved::get(kept, "other").and_then(|other| preserved::object(other.get())).unwrap_or_default();
    let others = others.into_iter().filter(|(name, _)| !known.contains(&&**name));
    others.map(|(name, value)| (name.into_owned(), value.get().to_owned())).collect()
}

/// Adds the unknown fields of a Quire notebook, except Jupyter's, to Quire's own metadata.
fn add_extra(ours: &mut WrittenFields, extra: &Extra) {
    let others = preserved::without(extra, &[JUPYTER]);
    if !others.is_empty() {
        ours.push(("extra".into(), write_object(others.iter().map(|(name, value)| (&**name, value.as_str())))));
    }
}

/// Writes metadata with Quire's own, if any: `ours`, and the fields that the format does not allow in the metadata or beside them.
fn write_metadata(of: MetadataOwner, others: WrittenFields, ours: WrittenFields, beside: WrittenFields) -> String {
    let (mut written, mut ours, mut within) = (WrittenFields::new(), ours, WrittenFields::new());
    for (name, value) in others {
        match valid::metadata(of, &name, &value).map(Cow::into_owned) {
            Some(value) => written.push((name, value)),
            None => within.push((name, value)),
        }
    }
    for (name, misfits) in [("metadata", within), ("other", beside)] {
        if !misfits.is_empty() {
            ours.push((name.into(), write_fields(&misfits)));
        }
    }
    if !ours.is_empty() {
        written.retain(|(name, _)| name != QUIRE);
        written.push((QUIRE.into(), write_fields(&ours)));
    }
    write_fields(&written)
}
