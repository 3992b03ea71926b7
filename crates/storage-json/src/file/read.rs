//! From a file's text to a notebook.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, NaiveDateTime, SubsecRound as _};
use quire_domain::{
    Cell, CellId, CellType, Extra, Json, Notebook, NotebookId, OrderKey, Revision, StoredConnection, Timestamp, UserId,
    limits,
};
use serde_json::value::RawValue;

use super::fields::{self, Fields, Taken};
use super::position::Position;
use super::{python, results};

/// The byte-order mark that some editors put before a text.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// What is taken where a file does not say.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    /// For `user_id`.
    pub(crate) owner: UserId,
    /// For `created_at` and `updated_at`.
    pub(crate) time: Timestamp,
}

/// A file that is a notebook.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) notebook: Notebook,
    /// Whether the file says when the notebook was made, so that its times are no defaults.
    pub(crate) dated: bool,
    /// Whether cells hold results, as older files do; those are in the notebook's cells.
    pub(crate) inline_results: bool,
}

/// A file that is none, and as much as could be told of whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    pub(crate) id: Option<NotebookId>,
    pub(crate) owner: Option<UserId>,
    /// What is wrong and where, without content.
    pub(crate) reason: String,
    /// At which byte of the file; absent when it was not read.
    pub(crate) offset: Option<usize>,
}

/// Reads a file's bytes.
pub(crate) fn read(bytes: &[u8], defaults: &Defaults) -> Result<Parsed, Damage> {
    let (mark, bytes) = bytes.strip_prefix(MARK).map_or((0, bytes), |rest| (MARK.len(), rest));
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = mark + error.valid_up_to();
        Damage { id: None, owner: None, reason: format!("byte {offset} is not UTF-8"), offset: Some(offset) }
    })?;
    let damage = |found: &Fields<'_>, offset, reason: &str| damage(found, Position::at(text, offset, mark), reason);
    let mut found = Fields::new();
    let first = match parse(text, &mut found, defaults) {
        Ok(parsed) => return Ok(parsed),
        Err(problem) => problem,
    };
    // Only now, since hardly any file has them.
    if first.syntax
        && let Some((fixed, shifts)) = python::without_nan(text)
    {
        let mut found = Fields::new();
        return parse(&fixed, &mut found, defaults)
            .map_err(|problem| damage(&found, shifts.original(problem.offset_in(&fixed)), &problem.reason));
    }
    Err(damage(&found, first.offset_in(text), &first.reason))
}

fn damage(found: &Fields<'_>, position: Position, reason: &str) -> Damage {
    let value = |name: &str| {
        let (_, value) = found.iter().find(|(key, _)| key == name)?;
        fields::text(value, name).ok()
    };
    Damage {
        id: value("id").and_then(|id| NotebookId::new(id).ok()),
        owner: value("user_id").and_then(|owner| UserId::new(owner).ok()),
        reason: format!("{position}: {reason}"),
        offset: Some(position.offset()),
    }
}

/// What is wrong, without content.
#[derive(Debug)]
pub(crate) struct Problem {
    reason: String,
    place: Place,
    syntax: bool,
}

#[derive(Debug)]
enum Place {
    /// Where in memory the wrong text lies: a part of the file's text.
    Address(usize),
    LineAndColumn(usize, usize),
}

impl Problem {
    /// Something wrong with this value.
    pub(super) fn at(value: &RawValue, reason: impl Into<String>) -> Self {
        Self::behind(value, 0, reason)
    }

    /// Something wrong so many bytes behind the value's beginning.
    pub(super) fn behind(value: &RawValue, bytes: usize, reason: impl Into<String>) -> Self {
        let address = value.get().as_ptr().addr() + bytes;
        Self { reason: reason.into(), place: Place::Address(address), syntax: false }
    }

    /// The file is not JSON. The parser's messages about syntax name no content.
    fn syntax(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or_default().to_owned();
        Self { reason, place: Place::LineAndColumn(error.line(), error.column()), syntax: true }
    }

    fn offset_in(&self, text: &str) -> usize {
        match self.place {
            Place::Address(address) => address.saturating_sub(text.as_ptr().addr()).min(text.len()),
            Place::LineAndColumn(line, column) => {
                let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
                let before: usize = lines.map(str::len).sum();
                let offset = (before + column.saturating_sub(1)).min(text.len());
                (0..=offset).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
            }
        }
    }
}

fn parse<'a>(text: &'a str, found: &mut Fields<'a>, defaults: &Defaults) -> Result<Parsed, Problem> {
    fields::object(text, found).map_err(|error| {
        if error.is_data() {
            // The only thing asked for is an object.
            Problem { reason: "not an object".into(), place: Place::LineAndColumn(1, 1), syntax: false }
        } else {
            Problem::syntax(&error)
        }
    })?;
    let whole = || Problem { reason: String::new(), place: Place::LineAndColumn(1, 1), syntax: false };
    let missing = |name: &str| Problem { reason: format!("`{name}` is missing"), ..whole() };
    let mut fields = Taken::new(found.clone());

    let id = fields.take("id")?.ok_or_else(|| missing("id"))?;
    let id = NotebookId::new(fields::text(id, "`id`")?).map_err(|error| Problem::at(id, error.to_string()))?;
    let owner = match fields.take("user_id")? {
        Some(value) => match fields::text(value, "`user_id`")? {
            text if text.is_empty() => defaults.owner.clone(),
            text => UserId::new(text).map_err(|error| Problem::at(value, error.to_string()))?,
        },
        None => defaults.owner.clone(),
    };
    let name = match fields.take("name")? {
        Some(value) => Notebook::name_from(&fields::text(value, "`name`")?)
            .map_err(|error| Problem::at(value, error.to_string()))?,
        None => None,
    };
    let connection = match fields.take("db_conn_string")? {
        Some(value) => StoredConnection::new(&fields::text(value, "`db_conn_string`")?)
            .map_err(|error| Problem::at(value, error.to_string()))?,
        None => None,
    };
    let revision = revision(fields.take("revision")?)?.unwrap_or_default();
    let created_at = time(fields.take("created_at")?, "`created_at`")?;
    let updated_at = time(fields.take("updated_at")?, "`updated_at`")?;

    let list = fields.take("cells")?.ok_or_else(|| missing("cells"))?;
    let list_texts = fields::array(list.get()).or(Err(Problem::at(list, "`cells` is not a list")))?;
    limits::at_most("the notebook", "cells", limits::CELLS, list_texts.len())
        .map_err(|error| Problem::at(list, error.to_string()))?;
    let mut cells = Vec::with_capacity(list_texts.len());
    let mut ids = HashSet::with_capacity(list_texts.len());
    let mut inline_results = false;
    for (index, text) in list_texts.into_iter().enumerate() {
        let (cell, inline) = cell(text, index, revision)
            .map_err(|problem| Problem { reason: format!("cell {}: {}", index + 1, problem.reason), ..problem })?;
        if !ids.insert(cell.id.clone()) {
            return Err(Problem::at(text, format!("cell {}: an earlier cell has the same id", index + 1)));
        }
        inline_results |= inline;
        cells.push(cell);
    }
    let notebook = Notebook {
        owner,
        name,
        connection,
        revision,
        created_at: created_at.unwrap_or(defaults.time),
        updated_at: updated_at.or(created_at).unwrap_or(defaults.time),
        extra: extra(fields)?,
        cells: cells.into_iter().collect(),
        ..Notebook::new(id, defaults.owner.clone(), defaults.time)
    };
    Ok(Parsed { notebook, dated: created_at.is_some(), inline_results })
}

fn cell(text: &RawValue, index: usize, notebook: Revision) -> Result<(Cell, bool), Problem> {
    let mut found = Fields::new();
    fields::object(text.get(), &mut found).or(Err(Problem::at(text, "not an object")))?;
    let mut fields = Taken::new(found);
    let mut required = |name: &str| {
        let value = fields.take(name)?.ok_or_else(|| Problem::at(text, format!("`{name}` is missing")))?;
        Ok((value, fields::text(value, &format!("`{name}`"))?))
    };
    let (id_value, id) = required("id")?;
    let id = CellId::new(id).map_err(|error| Problem::at(id_value, error.to_string()))?;
    let (type_value, cell_type) = required("type")?;
    let cell_type = match &*cell_type {
        "python" => CellType::Python,
        "sql" => CellType::Sql,
        _ => return Err(Problem::at(type_value, "`type` is neither python nor sql")),
    };
    let (code_value, code) = required("code")?;
    limits::at_most("the cell's source", "bytes", limits::CELL_SOURCE_BYTES, code.len())
        .map_err(|error| Problem::at(code_value, error.to_string()))?;
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
    };
    Ok((cell, results.is_some()))
}

fn extra(fields: Taken<'_>) -> Result<Extra, Problem> {
    let mut extra = Vec::new();
    for (name, value) in fields.rest() {
        let json = Json::from_raw(value.to_owned()).map_err(|error| Problem::at(value, error.to_string()))?;
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

/// A time with or without a zone; without one it is UTC, which is what Python's `utcnow().isoformat()` means.
fn time(value: Option<&RawValue>, what: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let text = fields::text(value, what)?;
    let zoned = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc());
    let time = zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()));
    match time {
        // Other years can be parsed with a sign or more digits, but what we would write for them could not be.
        Ok(time) if !(0..=9_999).contains(&time.year()) => {
            Err(Problem::at(value, format!("{what} is not in the years 0 to 9999")))
        }
        Ok(time) => Ok(Some(time.trunc_subsecs(6))),
        Err(_) => Err(Problem::at(value, format!("{what} is not a time"))),
    }
}
