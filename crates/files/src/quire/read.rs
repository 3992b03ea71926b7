//! Reading a notebook from a file's text.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, NaiveDateTime, SubsecRound as _};
use quire_domain::{
    Cell, CellId, CellType, Extra, Json, Life, Notebook, NotebookId, OrderKey, Revision, StoredConnection, Timestamp,
    UserId, limits,
};
use serde_json::value::RawValue;

use super::results;
use crate::fields::{self, Fields, UnreadFields};
use crate::problem::{ParseError, Problem, read_text};

/// Values for fields that a file leaves out.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The default of `id`; without it, a file that lacks an id is damaged.
    pub id: Option<NotebookId>,
    /// The default of `user_id`.
    pub owner: UserId,
    /// The default of `created_at` and `updated_at`.
    pub time: Timestamp,
}

/// A file that is a notebook.
#[derive(Debug)]
pub struct Parsed {
    /// The notebook.
    pub notebook: Notebook,
    /// Set when the file has the time of the notebook's creation, so that its times are no defaults.
    pub dated: bool,
    /// Set when the file holds results, as older files do; they are in the notebook's cells.
    pub inline_results: bool,
    /// Set when the file held `NaN` or `Infinity`, which are not JSON and were read as null.
    pub nan: bool,
}

/// Reads a file's bytes.
///
/// # Errors
/// [`ParseError`] describes the problem and its place.
pub fn read(bytes: &[u8], defaults: &Defaults) -> Result<Parsed, ParseError> {
    let (parsed, nan) = read_text(bytes, |text, found| parse(text, found, defaults))?;
    Ok(Parsed { nan, ..parsed })
}

fn parse<'a>(text: &'a str, found: &mut Fields<'a>, defaults: &Defaults) -> Result<Parsed, Problem> {
    fields::object(text, found).map_err(|error| Problem::no_object(&error))?;
    let missing = |name: &str| Problem::whole(format!("`{name}` is missing"));
    let mut fields = UnreadFields::new(found.clone());

    let id = match (fields.take("id")?, &defaults.id) {
        (Some(id), _) => NotebookId::new(fields::text(id, "`id`")?).map_err(|error| Problem::beyond(id, error))?,
        (None, Some(id)) => id.clone(),
        (None, None) => return Err(missing("id")),
    };
    let owner = match fields.take("user_id")? {
        Some(value) => match fields::text(value, "`user_id`")? {
            text if text.is_empty() => defaults.owner.clone(),
            text => UserId::new(text).map_err(|error| Problem::beyond(value, error))?,
        },
        None => defaults.owner.clone(),
    };
    let name = match fields.take("name")? {
        Some(value) => {
            Notebook::name_from(&fields::text(value, "`name`")?).map_err(|error| Problem::beyond(value, error))?
        }
        None => None,
    };
    let connection = match fields.take("db_conn_string")? {
        Some(value) => StoredConnection::new(&fields::text(value, "`db_conn_string`")?)
            .map_err(|error| Problem::beyond(value, error))?,
        None => None,
    };
    let life = match fields.take("life")? {
        Some(value) => fields::text(value, "`life`")?.parse().map_err(|error| Problem::beyond(value, error))?,
        None => Life::UNRECORDED,
    };
    let revision = revision(fields.take("revision")?)?.unwrap_or_default();
    let created_at = time(fields.take("created_at")?, "`created_at`")?;
    let updated_at = time(fields.take("updated_at")?, "`updated_at`")?;

    let reactive = match fields.take("reactive")? {
        Some(value) => {
            serde_json::from_str(value.get()).or(Err(Problem::at(value, "`reactive` is neither true nor false")))?
        }
        None => true,
    };

    let list = fields.take("cells")?.ok_or_else(|| missing("cells"))?;
    let list_texts = fields::array(list.get()).or(Err(Problem::at(list, "`cells` is not a list")))?;
    limits::at_most("the notebook", "cells", limits::CELLS, list_texts.len())
        .map_err(|error| Problem::beyond(list, error))?;
    let mut cells = Vec::with_capacity(list_texts.len());
    let mut ids = HashSet::with_capacity(list_texts.len());
    let mut inline_results = false;
    for (index, text) in list_texts.into_iter().enumerate() {
        let (cell, inline) = cell(text, index, revision).map_err(|problem| problem.in_cell(index + 1))?;
        if !ids.insert(cell.id.clone()) {
            return Err(Problem::at(text, "an earlier cell has the same id").in_cell(index + 1));
        }
        inline_results |= inline;
        cells.push(cell);
    }
    let notebook = Notebook {
        owner,
        name,
        connection,
        reactive,
        revision,
        created_at: created_at.unwrap_or(defaults.time),
        updated_at: updated_at.or(created_at).unwrap_or(defaults.time),
        extra: extra(fields)?,
        cells: cells.into_iter().collect(),
        ..Notebook::new(id, life, defaults.owner.clone(), defaults.time)
    };
    Ok(Parsed { notebook, dated: created_at.is_some(), inline_results, nan: false })
}

fn cell(text: &RawValue, index: usize, notebook: Revision) -> Result<(Cell, bool), Problem> {
    let mut found = Fields::new();
    fields::object(text.get(), &mut found).or(Err(Problem::at(text, "not an object")))?;
    let mut fields = UnreadFields::new(found);
    let mut required = |name: &str| {
        let value = fields.take(name)?.ok_or_else(|| Problem::at(text, format!("`{name}` is missing")))?;
        Ok((value, fields::text(value, &format!("`{name}`"))?))
    };
    let (id_value, id) = required("id")?;
    let id = CellId::new(id).map_err(|error| Problem::beyond(id_value, error))?;
    let (type_value, cell_type) = required("type")?;
    let cell_type = match &*cell_type {
        "python" => CellType::Python,
        "sql" => CellType::Sql,
        _ => return Err(Problem::at(type_value, "`type` is neither python nor sql")),
    };
    let (code_value, code) = required("code")?;
    limits::at_most("the cell's source", "bytes", limits::CELL_SOURCE_BYTES, code.len())
        .map_err(|error| Problem::beyond(code_value, error))?;
    let reads = fields::texts(fields.take("reads")?, "`reads`")?;
    let writes = fields::texts(fields.take("writes")?, "`writes`")?;
    let revision = revision(fields.take("revision")?)?.unwrap_or(notebook);
    let results = results::take(&mut fields, text)?;
    let cell = Cell {
        id,
        order: OrderKey::at(index),
        cell_type,
        code: Arc::from(code),
        revision,
        analysis: Cell::stored_names(reads, writes),
        broken: None,
        results: Arc::new(results.clone().unwrap_or_default()),
        extra: extra(fields)?,
        run_digest: quire_domain::RunDigest::default(),
    };
    Ok((cell, results.is_some()))
}

fn extra(fields: UnreadFields<'_>) -> Result<Extra, Problem> {
    let mut extra = Vec::new();
    for (name, value) in fields.rest() {
        let json = Json::from_raw(value.to_owned()).map_err(|error| Problem::beyond(value, error))?;
        extra.push((name.into_owned().into_boxed_str(), json));
    }
    Ok(Extra::new(extra))
}

fn revision(value: Option<&RawValue>) -> Result<Option<Revision>, Problem> {
    let Some(value) = value else { return Ok(None) };
    match value.get().parse::<i64>() {
        Ok(number) if number < 0 => Err(Problem::at(value, "`revision` is negative")),
        Ok(number) if number <= Revision::MAX.0 => Ok(Some(Revision(number))),
        _ => Err(Problem::at(value, "`revision` is not an integer up to 2^53 - 1")),
    }
}

/// Reads a time with or without a zone; without one it is UTC, which is what Python's `utcnow().isoformat()` means.
fn time(value: Option<&RawValue>, what: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let text = fields::text(value, what)?;
    match parse_time(&text) {
        // Other years can be parsed with a sign or more digits, but what we would write for them could not be.
        Some(time) if !is_writable(time) => Err(Problem::at(value, format!("{what} is not in the years 0 to 9999"))),
        Some(time) => Ok(Some(time.trunc_subsecs(6))),
        None => Err(Problem::at(value, format!("{what} is not a time"))),
    }
}

/// Reads a time as [`time`] does; `None` when it is none that can be written.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    parse_time(text).filter(|time| is_writable(*time)).map(|time| time.trunc_subsecs(6))
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc())).ok()
}

fn is_writable(time: Timestamp) -> bool {
    (0..=9_999).contains(&time.year())
}
