//! From a notebook to a file's text: what Python's `json.dump(…, indent=2)` would write.

use chrono::SecondsFormat;
use quire_domain::{Cell, Extra, Notebook, Timestamp};

/// A field that we are said not to know has the name of one of ours, so that the file could not be read again.
#[derive(Debug, thiserror::Error)]
#[error("the unknown field `{0}` has the name of a known one")]
pub(crate) struct UnwritableField(String);

/// The fields of a notebook.
const NOTEBOOK: [&str; 8] =
    ["id", "user_id", "name", "db_conn_string", "revision", "cells", "created_at", "updated_at"];
/// The fields of a cell. Results of older files are not among them: they are among the unknown when we cannot read them.
const CELL: [&str; 6] = ["id", "type", "code", "reads", "writes", "revision"];

/// Writes a notebook without its results.
pub(crate) fn write(notebook: &Notebook) -> Result<String, UnwritableField> {
    let code: usize = notebook.cells.iter().map(|cell| cell.code.len() + 256).sum();
    let mut out = Writer { text: String::with_capacity(code + code / 8 + 512) };
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
        out.element(2, index == 0);
        out.cell(cell)?;
    }
    out.end_list(1, notebook.cells.is_empty());
    out.field(1, "created_at", false);
    out.time(notebook.created_at);
    out.field(1, "updated_at", false);
    out.time(notebook.updated_at);
    out.extra(1, &notebook.extra, &NOTEBOOK)?;
    out.line(0);
    out.text.push('}');
    Ok(out.text)
}

struct Writer {
    text: String,
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
        self.field(3, "reads", false);
        self.strings(cell.reads());
        self.field(3, "writes", false);
        self.strings(cell.writes());
        self.field(3, "revision", false);
        self.text.push_str(&cell.revision.to_string());
        self.extra(3, &cell.extra, &CELL)?;
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

    fn extra(&mut self, depth: usize, extra: &Extra, known: &[&str]) -> Result<(), UnwritableField> {
        for (name, value) in extra.iter() {
            if known.contains(&name) {
                return Err(UnwritableField(name.to_owned()));
            }
            self.field(depth, name, false);
            // Beyond ASCII there is nothing outside the strings of a JSON text, so escaping needs no parsing.
            value.as_str().chars().for_each(|c| self.ascii(c));
        }
        Ok(())
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

    fn escape(&mut self, c: char) {
        use std::fmt::Write as _;
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(self.text, "\\u{unit:04x}"); // writing to a String cannot fail
        }
    }
}
