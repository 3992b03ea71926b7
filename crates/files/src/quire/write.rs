//! Writing a notebook as a file's text, as Python's `json.dump(…, indent=2)` would.

use chrono::SecondsFormat;
use quire_domain::{Cell, Json, Life, Notebook, Output, Results, Timestamp};

use crate::bounded::BoundedText;

/// The error of an unknown field that has the name of a known one, so that the file could not be read again.
#[derive(Debug, thiserror::Error)]
#[error("the unknown field `{0}` has the name of a known one")]
pub struct UnwritableField(String);

/// The fields of a notebook.
const NOTEBOOK_FIELDS: [&str; 10] =
    ["id", "user_id", "name", "db_conn_string", "revision", "cells", "created_at", "updated_at", "life", "reactive"];
/// The fields of a cell. Fields of results in older files are not among them: they are unknown fields when they cannot be read.
const CELL_FIELDS: [&str; 6] = ["id", "type", "code", "reads", "writes", "revision"];

/// The fields of a cell's results, if they are in the file.
const RESULT_FIELDS: [&str; 3] = ["stdout", "outputs", "error"];

/// Returns `true` if a notebook's field of this name is known.
pub(crate) fn is_notebook_field(name: &str) -> bool {
    NOTEBOOK_FIELDS.contains(&name)
}

/// Returns `true` if a cell's field of this name is known, or may be read as results.
pub(crate) fn is_cell_field(name: &str) -> bool {
    CELL_FIELDS.contains(&name) || RESULT_FIELDS.contains(&name)
}

/// Writes a notebook without its results.
///
/// # Errors
/// When an unknown field has the name of a known one.
pub fn write(notebook: &Notebook) -> Result<String, UnwritableField> {
    write_notebook(notebook, false, BoundedText::unbounded()).map(BoundedText::written)
}

/// Writes a notebook with its results in its cells, where older readers look for them.
///
/// # Errors
/// As [`write()`].
pub fn write_with_results(notebook: &Notebook) -> Result<String, UnwritableField> {
    write_notebook(notebook, true, BoundedText::unbounded()).map(BoundedText::written)
}

/// Writes a notebook into this text, cell by cell until its limit.
pub(super) fn write_notebook(
    notebook: &Notebook,
    with_results: bool,
    mut text: BoundedText,
) -> Result<BoundedText, UnwritableField> {
    let code: usize = notebook.cells.iter().map(|cell| cell.code.len() + 256).sum();
    text.reserve(code + code / 8 + 512);
    let mut out = Writer { text, with_results };
    out.text.push('{');
    out.field(1, "id", true);
    out.string(notebook.id.as_str());
    out.field(1, "user_id", false);
    out.string(notebook.owner.as_str());
    out.field(1, "name", false);
    out.string_or_null(notebook.name.as_deref());
    out.field(1, "db_conn_string", false);
    out.string_or_null(notebook.connection.as_ref().map(quire_domain::StoredConnection::expose));
    out.field(1, "revision", false);
    out.text.push_str(&notebook.revision.to_string());
    out.field(1, "cells", false);
    out.text.push('[');
    for (index, cell) in notebook.cells.iter().enumerate() {
        if out.text.is_too_long() {
            break;
        }
        out.element(2, index == 0);
        out.cell(cell)?;
    }
    out.end_list(1, notebook.cells.is_empty());
    out.field(1, "created_at", false);
    out.time(notebook.created_at);
    out.field(1, "updated_at", false);
    out.time(notebook.updated_at);
    // Files from before lives were recorded stay as they were.
    if notebook.life != Life::UNRECORDED {
        out.field(1, "life", false);
        out.string(&notebook.life.to_string());
    }
    // As it is in files from before there was a choice.
    if !notebook.reactive {
        out.field(1, "reactive", false);
        out.text.push_str("false");
    }
    out.extra(1, notebook.extra.iter(), &NOTEBOOK_FIELDS)?;
    out.line(0);
    out.text.push('}');
    Ok(out.text)
}

/// Returns `true` if a reader would find any results in the three fields.
fn has_content(results: &Results) -> bool {
    !results.stdout.is_empty() || !results.outputs.is_empty() || results.error.as_ref().is_some_and(|it| !it.is_empty())
}

struct Writer {
    text: BoundedText,
    with_results: bool,
}

impl Writer {
    fn cell(&mut self, cell: &Cell) -> Result<(), UnwritableField> {
        self.text.push('{');
        self.field(3, "id", true);
        self.string(cell.id.as_str());
        self.field(3, "type", false);
        self.string(cell.cell_type.as_str());
        self.field(3, "code", false);
        self.string(&cell.code);
        let has_results = self.with_results && has_content(&cell.results);
        if has_results {
            self.results(&cell.results);
        }
        self.field(3, "reads", false);
        self.strings(cell.reads());
        self.field(3, "writes", false);
        self.strings(cell.writes());
        self.field(3, "revision", false);
        self.text.push_str(&cell.revision.to_string());
        // Unreadable results of an older file are obsolete when the cell has results.
        let kept = cell.extra.iter().filter(|(name, _)| !(has_results && RESULT_FIELDS.contains(name)));
        self.extra(3, kept, &CELL_FIELDS)?;
        self.line(2);
        self.text.push('}');
        Ok(())
    }

    fn strings<'a>(&mut self, strings: impl ExactSizeIterator<Item = &'a str>) {
        let empty = strings.len() == 0;
        self.text.push('[');
        for (index, string) in strings.enumerate() {
            self.element(4, index == 0);
            self.string(string);
        }
        self.end_list(3, empty);
    }

    fn results(&mut self, results: &Results) {
        self.field(3, "stdout", false);
        self.string(&results.stdout);
        self.field(3, "outputs", false);
        self.text.push('[');
        for (index, Output { mime_type, data, metadata }) in results.outputs.iter().enumerate() {
            self.element(4, index == 0);
            self.text.push('{');
            self.field(5, "mime_type", true);
            self.string(mime_type);
            self.field(5, "data", false);
            self.json(data);
            self.field(5, "metadata", false);
            self.json(metadata);
            self.line(4);
            self.text.push('}');
        }
        self.end_list(3, results.outputs.is_empty());
        self.field(3, "error", false);
        self.string_or_null(results.error.as_deref());
    }

    fn extra<'a>(
        &mut self,
        depth: usize,
        extra: impl Iterator<Item = (&'a str, &'a Json)>,
        known: &[&str],
    ) -> Result<(), UnwritableField> {
        for (name, value) in extra {
            if known.contains(&name) {
                return Err(UnwritableField(name.to_owned()));
            }
            self.field(depth, name, false);
            self.json(value);
        }
        Ok(())
    }

    fn json(&mut self, value: &Json) {
        // Beyond ASCII there is nothing outside the strings of a JSON text, so escaping needs no parsing.
        value.as_str().chars().for_each(|c| self.ascii(c));
    }

    fn field(&mut self, depth: usize, name: &str, first: bool) {
        self.element(depth, first);
        self.string(name);
        self.text.push_str(": ");
    }

    fn element(&mut self, depth: usize, first: bool) {
        if !first {
            self.text.push(',');
        }
        self.line(depth);
    }

    fn end_list(&mut self, depth: usize, empty: bool) {
        if !empty {
            self.line(depth);
        }
        self.text.push(']');
    }

    fn line(&mut self, depth: usize) {
        self.text.push('\n');
        for _ in 0..depth {
            self.text.push_str("  ");
        }
    }

    fn time(&mut self, time: Timestamp) {
        self.string(&time.to_rfc3339_opts(SecondsFormat::Micros, true));
    }

    fn string_or_null(&mut self, string: Option<&str>) {
        match string {
            Some(string) => self.string(string),
            None => self.text.push_str("null"),
        }
    }

    fn string(&mut self, string: &str) {
        self.text.push('"');
        let mut rest = string;
        // Most of a text needs no escape, and is copied in one go up to the next character that does.
        while let Some(at) = rest.bytes().position(|byte| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\'))
        {
            let (plain, special) = rest.split_at(at);
            self.text.push_str(plain);
            let mut chars = special.chars();
            match chars.next() {
                Some('"') => self.text.push_str("\\\""),
                Some('\\') => self.text.push_str("\\\\"),
                Some('\n') => self.text.push_str("\\n"),
                Some('\r') => self.text.push_str("\\r"),
                Some('\t') => self.text.push_str("\\t"),
                Some('\u{8}') => self.text.push_str("\\b"),
                Some('\u{c}') => self.text.push_str("\\f"),
                Some(c) => self.escape(c),
                None => {}
            }
            rest = chars.as_str();
        }
        self.text.push_str(rest);
        self.text.push('"');
    }

    fn ascii(&mut self, c: char) {
        if c.is_ascii() {
            self.text.push(c);
        } else {
            self.escape(c);
        }
    }

    /// Writes an escape, such as `\u00e9`, for each UTF-16 unit. `write!` took a fifth of the time of an edit where most
    /// characters of a notebook need one.
    fn escape(&mut self, c: char) {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        for unit in c.encode_utf16(&mut [0; 2]) {
            let digit = |shift: u32| DIGITS[usize::from(*unit >> shift & 0xF)];
            let escaped = [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)];
            self.text.push_str(std::str::from_utf8(&escaped).unwrap_or_default()); // it is ASCII
        }
    }
}
