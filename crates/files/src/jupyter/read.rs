//! From an `.ipynb` to a notebook.

use std::sync::Arc;

use quire_domain::{
    Cell, CellId, CellStatus, CellType, Extra, Json, Life, Notebook, NotebookId, OrderKey, Results, Revision, limits,
};
use serde_json::value::RawValue;

use super::outputs::Read;
use super::pretty::compact;
use super::text::{Kind, from_code, to_code};
use super::{JUPYTER, QUIRE, ids, kept, lines, outputs, v3};
use crate::Imported;
use crate::fields::{self, Fields, Taken, write_object, write_text};
use crate::problem::{Damage, Problem, read_text};
use crate::quire::{Defaults, NAN, is_cell_field, is_notebook_field, read_digest};
use crate::safe::Sanitiser;

/// The last minor version of the format that is written.
pub(super) const MINOR: u32 = 5;

/// Reads an `.ipynb`; its id, owner and times are the defaults.
///
/// # Errors
/// [`Damage`] says what is wrong and where.
pub fn read(bytes: &[u8], defaults: &Defaults) -> Result<Imported, Damage> {
    let (mut imported, nan) = read_text(bytes, |text, found| parse(text, found, defaults))?;
    if nan {
        imported.notices.insert(0, NAN.to_owned());
    }
    Ok(imported)
}

/// The id that [`super::write()`] noted, if this is such a file.
#[must_use]
pub fn noted_id(bytes: &[u8]) -> Option<NotebookId> {
    let noted = read_text(bytes, |text, found| {
        fields::object(text, found).map_err(|error| Problem::no_object(&error))?;
        let ours = kept::get(found, "metadata").and_then(|metadata| kept::object(metadata.get()));
        let ours = ours.and_then(|metadata| kept::object(kept::get(&metadata, QUIRE)?.get()));
        Ok(ours.and_then(|ours| NotebookId::new(kept::text(&ours, "id")?).ok()))
    });
    noted.ok()?.0
}

fn parse<'a>(text: &'a str, found: &mut Fields<'a>, defaults: &Defaults) -> Result<Imported, Problem> {
    fields::object(text, found).map_err(|error| Problem::no_object(&error))?;
    let mut fields = Taken::new(found.clone());
    let version = fields.take("nbformat")?.ok_or_else(|| Problem::whole("`nbformat` is missing"))?;
    let minor = fields.take("nbformat_minor")?.and_then(|minor| minor.get().parse().ok()).unwrap_or(0_u32);
    let metadata = fields.take("metadata")?;
    let is_3 = version.get() == "3";
    let cells = match version.get() {
        "3" => {
            fields.take("orig_nbformat")?;
            fields.take("orig_nbformat_minor")?;
            v3::cells(&mut fields)?
        }
        "4" => {
            let list = fields.take("cells")?.ok_or_else(|| Problem::whole("`cells` is missing"))?;
            fields::array(list.get()).or(Err(Problem::at(list, "`cells` is not a list")))?
        }
        _ => return Err(Problem::at(version, "`nbformat` is another version than 3 and 4, which can be read")),
    };
    let id = defaults.id.clone().ok_or_else(|| Problem::whole("no id is given"))?;
    let mut notebook = Notebook::new(id, Life::UNRECORDED, defaults.owner.clone(), defaults.time);
    let named = metadata.and_then(|metadata| name_of(&kept::object(metadata.get())?));
    if let Some((value, name)) = named {
        notebook.name = Notebook::name_from(&name).map_err(|error| Problem::beyond(value, error))?;
    }
    // The name and the signature of version 3 are in no later one.
    let metadata = Metadata::of(metadata, if is_3 { &["name", "signature"] } else { &[] })?;
    notebook.extra = extra_of_notebook(&metadata, minor, fields)?;
    limits::at_most("the notebook", "cells", limits::CELLS, cells.len())
        .map_err(|error| Problem::beyond(version, error))?;

    let mut sanitiser = Sanitiser::default();
    let mut drafts = Vec::with_capacity(cells.len());
    for (index, text) in cells.into_iter().enumerate() {
        let draft = if is_3 {
            // What is wrong with it then lies in another text.
            v3::cell(text).and_then(|cell| draft(&cell, &mut sanitiser).map_err(|problem| problem.moved_to(text)))
        } else {
            draft(text, &mut sanitiser)
        };
        drafts.push(draft.map_err(|problem| problem.in_cell(index + 1))?);
    }
    let invalid = drafts.iter().filter(|draft| draft.has_invalid_id).count();
    let (ids, lost) = ids::distinct(drafts.iter().map(|draft| draft.id.clone()).collect());
    notebook.cells =
        ids.into_iter().zip(drafts).enumerate().map(|(index, (id, draft))| draft.cell(index, id)).collect();
    let mut notices: Vec<String> = sanitiser.notices().collect();
    match invalid + lost {
        0 => {}
        1 => notices.push("1 cell got another id: its own was invalid or another cell's".to_owned()),
        more => notices.push(format!("{more} cells got other ids: their own were invalid or another cell's")),
    }
    Ok(Imported { notebook, notices })
}

/// Metadata of a notebook or a cell, taken apart.
struct Metadata<'a> {
    /// What is ours.
    ours: Fields<'a>,
    /// Everything else, as JSON.
    others: String,
}

impl<'a> Metadata<'a> {
    fn of(metadata: Option<&'a RawValue>, dropped: &[&str]) -> Result<Self, Problem> {
        let mut found = Fields::new();
        let Some(metadata) = metadata else { return Ok(Self { ours: found, others: "{}".to_owned() }) };
        fields::object(metadata.get(), &mut found).or(Err(Problem::at(metadata, "`metadata` is not an object")))?;
        let ours = kept::get(&found, QUIRE).and_then(|ours| kept::object(ours.get()));
        let dropped = |name: &str| dropped.contains(&name) || (name == QUIRE && ours.is_some());
        let others = if found.iter().any(|(name, _)| dropped(name)) {
            write_object(found.iter().filter(|(name, _)| !dropped(name)).map(|(name, value)| (&**name, value.get())))
        } else {
            metadata.get().to_owned()
        };
        Ok(Self { ours: ours.unwrap_or_default(), others })
    }
}

/// The name that a notebook's metadata gives: `title`, or `name` as in version 3.
pub(super) fn name_of<'a>(metadata: &Fields<'a>) -> Option<(&'a RawValue, String)> {
    let name = |field: &str| {
        let text = kept::text(metadata, field).filter(|text| !text.trim().is_empty())?;
        Some((kept::get(metadata, field)?, text))
    };
    name("title").or_else(|| name("name"))
}

fn extra_of_notebook(metadata: &Metadata<'_>, minor: u32, others: Taken<'_>) -> Result<Extra, Problem> {
    let others: Fields<'_> = others.rest().collect();
    let others = write_object(others.iter().map(|(name, value)| (&**name, value.get())));
    let minor = (minor > MINOR).then(|| minor.to_string());
    let fields = [
        ("metadata", Some(&*metadata.others)),
        ("nbformat_minor", minor.as_deref()),
        ("other", (others != "{}").then_some(&*others)),
    ];
    extra(&fields, unknown_fields(&metadata.ours, is_notebook_field))
}

/// Unknown fields that we noted, without any that would be taken for known ones.
fn unknown_fields(ours: &Fields<'_>, is_known: impl Fn(&str) -> bool) -> Vec<(Box<str>, Json)> {
    let noted = kept::get(ours, "extra").and_then(|noted| kept::object(noted.get())).unwrap_or_default();
    let fields = noted.into_iter().filter(|(name, _)| !is_known(name) && name != JUPYTER);
    fields.filter_map(|(name, value)| Some((Box::from(&*name), Json::parse(&compact(value.get())).ok()?))).collect()
}

/// Unknown fields with what is kept of Jupyter's, if anything is.
fn extra(jupyter: &[(&str, Option<&str>)], mut others: Vec<(Box<str>, Json)>) -> Result<Extra, Problem> {
    let kept = write_object(jupyter.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    if kept != "{}" {
        let kept = Json::parse(&compact(&kept)).map_err(|error| Problem::whole_beyond(&error))?;
        others.push((Box::from(JUPYTER), kept));
    }
    Ok(Extra::new(others))
}

/// A cell before all ids are known.
struct Draft {
    id: Option<CellId>,
    has_invalid_id: bool,
    cell_type: CellType,
    code: String,
    results: Results,
    extra: Extra,
}

impl Draft {
    fn cell(self, index: usize, id: CellId) -> Cell {
        Cell {
            id,
            order: OrderKey::at(index),
            cell_type: self.cell_type,
            code: Arc::from(self.code),
            revision: Revision::default(),
            analysis: Arc::default(),
            broken: None,
            results: Arc::new(self.results),
            extra: self.extra,
        }
    }
}

fn draft(text: &RawValue, sanitiser: &mut Sanitiser) -> Result<Draft, Problem> {
    let mut found = Fields::new();
    fields::object(text.get(), &mut found).or(Err(Problem::at(text, "not an object")))?;
    let mut fields = Taken::new(found);
    let type_value = fields.take("cell_type")?.ok_or_else(|| Problem::at(text, "`cell_type` is missing"))?;
    let kind = match &*fields::text(type_value, "`cell_type`")? {
        "code" => None,
        "markdown" => Some(Kind::Markdown),
        "raw" => Some(Kind::Raw),
        _ => return Err(Problem::at(type_value, "`cell_type` is none of code, markdown and raw")),
    };
    let id_value = fields.take("id")?;
    let source_value = fields.take("source")?;
    let source = source_value.map_or(Ok("".into()), |source| lines::text(source, "`source`"))?;
    let metadata = Metadata::of(fields.take("metadata")?, &[])?;
    let ours = &metadata.ours;

    let given = id_value.and_then(|id| fields::text(id, "").ok());
    let valid = given.filter(|id| ids::is_valid(id)).and_then(|id| CellId::new(id).ok());
    let noted = kept::text(ours, "id").and_then(|id| CellId::new(id).ok());
    let has_invalid_id = id_value.is_some() && valid.is_none();
    let (cell_type, code) = match kind {
        None if kept::text(ours, "type").as_deref() == Some("sql") => (CellType::Sql, source.into_owned()),
        None => (CellType::Python, source.into_owned()),
        Some(kind) => {
            let noted = kept::text(ours, "code")
                .filter(|code| from_code(code).is_some_and(|it| it == (kind, source.to_string())));
            (CellType::Python, noted.unwrap_or_else(|| to_code(kind, &source)))
        }
    };
    limits::at_most("the cell's source", "bytes", limits::CELL_SOURCE_BYTES, code.len())
        .map_err(|error| Problem::beyond(source_value.unwrap_or(text), error))?;

    let count = if kind.is_none() { fields.take("execution_count")? } else { None };
    let list = if kind.is_none() { fields.take("outputs")? } else { None };
    let outputs = match list {
        Some(list) => fields::array(list.get()).or(Err(Problem::at(list, "`outputs` is not a list")))?,
        None => Vec::new(),
    };
    let Read { mut results, entries } = outputs::read(&outputs, count.is_some(), sanitiser)?;
    let digest = Cell::digest_of(cell_type, &code);
    if let Some(run) = kept::get(ours, "run").and_then(|run| kept::object(run.get())) {
        let as_written = outputs::read(&outputs, count.is_some(), &mut Sanitiser::trusting())?.results;
        if kept::text(&run, "tie") == Some(kept::tie(&digest, &as_written)) {
            apply_run(&run, &mut results);
        }
    }
    results.check().map_err(|error| Problem::beyond(list.unwrap_or(text), error))?;

    let others: Fields<'_> = fields.rest().collect();
    let others = write_object(others.iter().map(|(name, value)| (&**name, value.get())));
    let has_others = others != "{}";
    // Told only where it could not be told from the code, or where it decides whether other fields are still in place.
    let tells_kind = has_others || (kind.is_none() && from_code(&code).is_some());
    let kind = write_text(kind.map_or("code", Kind::as_str));
    let has_run = !entries.is_empty() || count.is_some();
    let tie = write_text(&kept::tie(&digest, &results));
    let entries = format!("[{}]", entries.join(","));
    let fields = [
        ("cell_type", tells_kind.then_some(&*kind)),
        ("metadata", (metadata.others != "{}").then_some(&*metadata.others)),
        ("execution_count", count.map(RawValue::get)),
        ("outputs", (entries != "[]").then_some(&*entries)),
        ("tie", has_run.then_some(&*tie)),
        ("other", has_others.then_some(&*others)),
    ];
    let extra = extra(&fields, unknown_fields(ours, is_cell_field)).map_err(|problem| problem.moved_to(text))?;
    Ok(Draft { id: noted.or(valid), has_invalid_id, cell_type, code, results, extra })
}

/// Takes over what we noted of the last run, where code and outputs are still those that we wrote.
fn apply_run(run: &Fields<'_>, results: &mut Results) {
    let status = kept::get(run, "status").and_then(|status| serde_json::from_str::<CellStatus>(status.get()).ok());
    if let Some(status) = status.filter(|status| *status != CellStatus::Running) {
        results.status = status;
    }
    if let Some(error) = kept::text(run, "error") {
        results.error = Some(error);
    }
    results.code_digest = kept::text(run, "code_digest").and_then(|digest| read_digest(&digest));
}
