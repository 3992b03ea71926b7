//! Data of the Jupyter notebook that a Quire notebook was read from, preserved in the unknown field `jupyter`.
//!
//! Of the notebook: `metadata`, `nbformat_minor` if it is later than what we write, and in `other` all fields that we don't
//! know. Of a cell, each only where it says something:
//!
//! - `cell_type`: `code`, of a code cell whose code looks like a Markdown or raw cell of ours;
//! - `source`, where it holds halves of surrogate pairs, which the code cannot;
//! - `metadata`, `execution_count`, and in `other` attachments and all fields that we don't know;
//! - `outputs`: each output in order, without what the cell's results hold: `{"stdout": bytes}`, one that takes so much of
//!   the standard output, with `text` where that holds halves of surrogate pairs; `{"shown": {…}}`, one whose metadata and one of whose MIME types are the next of the results' outputs;
//!   `{"kept": {…}}`, any other, whole;
//! - `tie`: a digest of the code and the results that belong to those outputs.
//!
//! Its source is not trusted, so a part that does not fit counts as absent.

use quire_domain::{Cell, Extra, Json, Results};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::JUPYTER;
use super::pretty::compact;
use super::reading::last_of_each;
use crate::fields::{self, Fields};

/// Returns the fields of the object `jupyter` among unknown fields.
pub(super) fn fields_of(extra: &Extra) -> Option<Fields<'_>> {
    let (_, json) = extra.iter().find(|(name, _)| *name == JUPYTER)?;
    object(json.as_str())
}

/// Reads the fields of an object, of several with one name the last.
pub(super) fn object(text: &str) -> Option<Fields<'_>> {
    let mut found = Fields::new();
    fields::lenient_object(text, &mut found).ok()?;
    Some(last_of_each(found).0)
}

/// Returns a field's value.
pub(super) fn get<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a RawValue> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
}

/// Returns a field's value if it is a text.
pub(super) fn text(fields: &Fields<'_>, name: &str) -> Option<String> {
    Some(fields::lenient_text(get(fields, name)?)?.0.into_owned())
}

/// Returns the unknown fields without those of these names.
pub(super) fn without(extra: &Extra, names: &[&str]) -> Vec<(Box<str>, Json)> {
    let others = extra.iter().filter(|(name, _)| !names.contains(name));
    others.map(|(name, value)| (Box::from(name), value.clone())).collect()
}

/// Returns the digest that ties outputs to their code and results. The outcome of the run and the noted digest of the code are
/// left out, because outputs hold neither.
pub(super) fn tie(code_digest: &str, results: &Results) -> String {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(text);
    };
    add(code_digest);
    add(&results.stdout);
    add(if results.error.is_some() { "error" } else { "" });
    add(results.error.as_deref().unwrap_or_default());
    for output in &results.outputs {
        add(&output.mime_type);
        // A file may have written characters and blanks in another way meanwhile.
        add(&compact(&output.data.with_plain_characters()));
        add(&compact(&output.metadata.with_plain_characters()));
    }
    hex::encode(hasher.finalize().get(..16).unwrap_or_default())
}

/// Returns the [`tie`] of a cell.
pub(super) fn tie_of(cell: &Cell) -> String {
    tie(&cell.code_digest(), &cell.results)
}
