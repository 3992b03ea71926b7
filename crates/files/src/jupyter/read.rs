//! Reading a notebook from an `.ipynb`.

use quire_domain::{Extra, Life, Notebook, NotebookId, limits};
use serde_json::value::RawValue;

use super::cell::draft;
use super::metadata::{Metadata, add_noted, extra, name_of, unknown_fields};
use super::reading::Reading;
use super::{QUIRE, ids, preserved, v3};
use crate::Imported;
use crate::fields::{self, Fields, UnreadFields, write_object};
use crate::problem::{ParseError, Problem, read_text};
use crate::quire::{Defaults, NAN, is_notebook_field};

/// The last minor version of the format that is written.
pub(super) const MINOR: u32 = 5;

/// Reads an `.ipynb`; its id, owner and times are the defaults.
///
/// # Errors
/// [`ParseError`] describes the problem and its place.
pub fn read(bytes: &[u8], defaults: &Defaults) -> Result<Imported, ParseError> {
    let (mut imported, nan) = read_text(bytes, |text, found| parse(text, found, defaults))?;
    if nan {
        imported.notices.insert(0, NAN.to_owned());
    }
    Ok(imported)
}

/// Returns the id that [`super::write()`] noted, if there is one.
#[must_use]
pub fn noted_id(bytes: &[u8]) -> Option<NotebookId> {
    let noted = read_text(bytes, |text, found| {
        fields::lenient_object(text, found).map_err(|error| Problem::no_object(&error))?;
        let ours = preserved::get(found, "metadata").and_then(|metadata| preserved::object(metadata.get()));
        let ours = ours.and_then(|metadata| preserved::object(preserved::get(&metadata, QUIRE)?.get()));
        Ok(ours.and_then(|ours| NotebookId::new(preserved::text(&ours, "id")?).ok()))
    });
    noted.ok()?.0
}

fn parse<'a>(text: &'a str, found: &mut Fields<'a>, defaults: &Defaults) -> Result<Imported, Problem> {
    fields::lenient_object(text, found).map_err(|error| Problem::no_object(&error))?;
    let mut reading = Reading::default();
    let mut fields = UnreadFields::new(reading.last_of_each(found.clone()));
    let version = fields.take("nbformat")?.ok_or_else(|| Problem::whole("`nbformat` is missing"))?;
    let minor = fields.take("nbformat_minor")?.and_then(number).unwrap_or_default();
    let metadata = fields.take("metadata")?;
    let is_3 = number(version) == Some(3);
    let cells = match number(version) {
        Some(3) => {
            fields.take("orig_nbformat")?;
            fields.take("orig_nbformat_minor")?;
            v3::cells(&mut fields, &mut reading)?
        }
        Some(4) => {
            let list = fields.take("cells")?.ok_or_else(|| Problem::whole("`cells` is missing"))?;
            fields::array(list.get()).or(Err(Problem::at(list, "`cells` is not a list")))?
        }
        _ => return Err(Problem::at(version, "`nbformat` is another version than 3 and 4, which can be read")),
    };
    let id = defaults.id.clone().ok_or_else(|| Problem::whole("no id is given"))?;
    let mut notebook = Notebook::new(id, Life::UNRECORDED, defaults.owner.clone(), defaults.time);
    let named = metadata.and_then(|metadata| name_of(&preserved::object(metadata.get())?));
    if let Some((value, name)) = named {
        notebook.name = Notebook::name_from(&name).map_err(|error| Problem::beyond(value, error))?;
    }
    // The name and the signature of version 3 are in no later one.
    let metadata = Metadata::of(metadata, if is_3 { &["name", "signature"] } else { &[] }, &mut reading);
    notebook.reactive = preserved::get(&metadata.ours, "reactive").is_none_or(|reactive| reactive.get() != "false");
    notebook.extra = extra_of_notebook(&metadata, if is_3 { MINOR } else { minor }, fields)?;
    limits::at_most("the notebook", "cells", limits::CELLS, cells.len())
        .map_err(|error| Problem::beyond(version, error))?;

    let mut drafts = Vec::with_capacity(cells.len());
    for (index, text) in cells.into_iter().enumerate() {
        let draft = if is_3 {
            // The problem is in the converted text, and must name a place in the file.
            v3::cell(text, &mut reading)
                .and_then(|cell| draft(&cell, &mut reading).map_err(|problem| problem.moved_to(text)))
        } else {
            draft(text, &mut reading)
        };
        drafts.push(draft.map_err(|problem| problem.in_cell(index + 1))?);
    }
    let invalid = drafts.iter().filter(|draft| draft.has_invalid_id).count();
    let (ids, lost) = ids::distinct(drafts.iter().map(|draft| draft.id.clone()).collect());
    notebook.cells =
        ids.into_iter().zip(drafts).enumerate().map(|(index, (id, draft))| draft.cell(index, id)).collect();
    let mut notices: Vec<String> = reading.notices().collect();
    match invalid + lost {
        0 => {}
        1 => notices.push("1 cell got another id: its own was invalid or another cell's".to_owned()),
        more => notices.push(format!("{more} cells got other ids: their own were invalid or another cell's")),
    }
    Ok(Imported { notebook, notices })
}

/// Reads a version, which some programs write as a text.
fn number(value: &RawValue) -> Option<u32> {
    let text = value.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// The fields of every notebook.
pub(super) const NOTEBOOK_FIELDS: [&str; 4] = ["cells", "metadata", "nbformat", "nbformat_minor"];

fn extra_of_notebook(metadata: &Metadata<'_>, minor: u32, others: UnreadFields<'_>) -> Result<Extra, Problem> {
    let mut others: Fields<'_> = others.rest().collect();
    add_noted(&mut others, &metadata.ours, "other", |name| NOTEBOOK_FIELDS.contains(&name));
    let others = write_object(others.iter().map(|(name, value)| (&**name, value.get())));
    let minor = (minor > MINOR).then(|| minor.to_string());
    let fields = [
        ("metadata", Some(&*metadata.others)),
        ("nbformat_minor", minor.as_deref()),
        ("other", (others != "{}").then_some(&*others)),
    ];
    extra(&fields, unknown_fields(&metadata.ours, is_notebook_field))
}
