//! Reading a cell of an `.ipynb`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use quire_domain::{Cell, CellId, CellType, Extra, OrderKey, Results, Revision, limits};
use serde_json::value::RawValue;

use super::metadata::{Metadata, add_noted, extra, unknown_fields};
use super::outputs::ReadOutputs;
use super::reading::Reading;
use super::text::{TextKind, from_code, to_code};
use super::{ids, lines, outputs, pictures, preserved};
use crate::fields::{self, Fields, UnreadFields, WrittenFields, to_written, write_fields, write_object, write_text};
use crate::problem::Problem;
use crate::quire::{RunDetails, is_cell_field};

/// The fields of every code cell; other cells have fewer.
pub(super) const CELL_FIELDS: [&str; 6] = ["cell_type", "execution_count", "id", "metadata", "outputs", "source"];

/// A cell that was read, before all ids are known.
pub(super) struct DraftCell {
    pub(super) id: Option<CellId>,
    pub(super) has_invalid_id: bool,
    cell_type: CellType,
    code: String,
    results: Results,
    extra: Extra,
}

impl DraftCell {
    pub(super) fn cell(self, index: usize, id: CellId) -> Cell {
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
            run_digest: quire_domain::RunDigest::default(),
        }
    }
}

/// Reads a cell of version 4.
pub(super) fn draft(text: &RawValue, reading: &mut Reading) -> Result<DraftCell, Problem> {
    let found = reading.object(text.get()).or(Err(Problem::at(text, "not an object")))?;
    let mut fields = UnreadFields::new(found);
    let type_value = fields.take("cell_type")?.ok_or_else(|| Problem::at(text, "`cell_type` is missing"))?;
    let kind = match &*fields::text(type_value, "`cell_type`")? {
        "code" => None,
        "markdown" => Some(TextKind::Markdown),
        "raw" => Some(TextKind::Raw),
        _ => return Err(Problem::at(type_value, "`cell_type` is none of code, markdown and raw")),
    };
    let id_value = fields.take("id")?;
    let source_value = fields.take("source")?;
    let (source, is_exact) = match source_value {
        Some(value) => reading.text(value).ok_or_else(|| Problem::at(value, lines::NO_TEXT))?,
        None => ("".into(), true),
    };
    let metadata = Metadata::of(fields.take("metadata")?, &[], reading);
    let ours = &metadata.ours;

    let given = id_value.and_then(|id| fields::text(id, "").ok());
    let valid = given.filter(|id| ids::is_valid(id)).and_then(|id| CellId::new(id).ok());
    let noted = preserved::text(ours, "id").and_then(|id| CellId::new(id).ok());
    let has_invalid_id = id_value.is_some() && valid.is_none();
    // A picture may be longer than the limit of a source.
    let mut source = Cow::Borrowed(&*source);
    let mut attachments = WrittenFields::new();
    if kind == Some(TextKind::Markdown) && to_code(TextKind::Markdown, &source).len() > limits::CELL_SOURCE_BYTES {
        let (without, pictures) = pictures::to_attachments(&source, &names_of(fields.peek("attachments")));
        reading.pictures += pictures.len();
        (source, attachments) = (Cow::Owned(without), pictures);
    }
    let (cell_type, code) = match kind {
        None if preserved::text(ours, "type").as_deref() == Some("sql") => (CellType::Sql, source.to_string()),
        None => (CellType::Python, source.to_string()),
        Some(kind) => {
            let noted = preserved::text(ours, "code")
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
    let ReadOutputs { mut results, entries } = outputs::read(&outputs, count.is_some(), reading)?;
    let digest = Cell::digest_of(cell_type, &code);
    if let Some(run) = preserved::get(ours, "run").and_then(|run| preserved::object(run.get())) {
        let as_written = outputs::read(&outputs, count.is_some(), &mut Reading::trusting())?.results;
        if preserved::text(&run, "tie") == Some(preserved::tie(&digest, &as_written)) {
            apply_run(&run, &mut results);
        }
    }
    results.check().map_err(|error| Problem::beyond(list.unwrap_or(text), error))?;

    let mut others: Fields<'_> = fields.rest().collect();
    add_noted(&mut others, ours, "other", |name| CELL_FIELDS.contains(&name));
    let others = with_attachments(&others, &attachments);
    let has_others = others != "{}";
    // Noted only if it cannot be derived from the code, or decides whether other fields still apply.
    let notes_kind = has_others || (kind.is_none() && from_code(&code).is_some());
    let kind = write_text(kind.map_or("code", TextKind::as_str));
    let has_run = !entries.is_empty() || count.is_some();
    let tie = write_text(&preserved::tie(&digest, &results));
    let entries = format!("[{}]", entries.join(","));
    let fields = [
        ("cell_type", notes_kind.then_some(&*kind)),
        // The code does not hold its halves of surrogate pairs.
        ("source", source_value.filter(|_| !is_exact).map(RawValue::get)),
        ("metadata", (metadata.others != "{}").then_some(&*metadata.others)),
        ("execution_count", count.map(RawValue::get)),
        ("outputs", (entries != "[]").then_some(&*entries)),
        ("tie", has_run.then_some(&*tie)),
        ("other", has_others.then_some(&*others)),
    ];
    let extra = extra(&fields, unknown_fields(ours, is_cell_field)).map_err(|problem| problem.moved_to(text))?;
    Ok(DraftCell { id: noted.or(valid), has_invalid_id, cell_type, code, results, extra })
}

/// Takes over the noted metadata of the last run, whose code and outputs are unchanged.
fn apply_run(run: &Fields<'_>, results: &mut Results) {
    if let Some(error) = preserved::text(run, "error") {
        results.error = Some(error);
    }
    RunDetails::read_leniently(results, |name| preserved::text(run, name)).apply(results);
}

/// Returns the names in an object; none when it is no object.
fn names_of(object: Option<&RawValue>) -> HashSet<String> {
    let fields = object.and_then(|object| preserved::object(object.get())).unwrap_or_default();
    fields.into_iter().map(|(name, _)| name.into_owned()).collect()
}

/// Writes the unknown fields as an object, with these attachments added.
fn with_attachments(others: &Fields<'_>, attachments: &WrittenFields) -> String {
    let mut written: WrittenFields = to_written(others);
    if !attachments.is_empty() {
        let there =
            preserved::get(others, "attachments").and_then(|there| preserved::object(there.get())).unwrap_or_default();
        let there = there.iter().map(|(name, value)| (&**name, value.get()));
        let all = write_object(there.chain(attachments.iter().map(|(name, value)| (&**name, &**value))));
        written.retain(|(name, _)| name != "attachments");
        written.push(("attachments".to_owned(), all));
    }
    write_fields(&written)
}
