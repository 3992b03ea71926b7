//! Problems of a file, and their places.

use quire_domain::{NotebookId, UserId};
use serde_json::value::RawValue;

use crate::fields::{self, Fields};
use crate::position::Position;
use crate::python;

/// The byte-order mark that some editors put before a text.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The problem of a file that is no notebook, with its id and owner if they could be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    /// The notebook's id, if the file gives one.
    pub id: Option<NotebookId>,
    /// The notebook's owner, if the file gives one.
    pub owner: Option<UserId>,
    /// Kind of error.
    pub kind: ParseErrorKind,
    /// Description of the error and its place, without content.
    pub reason: String,
    /// Byte offset of the problem in the file; absent when the file was not read.
    pub offset: Option<usize>,
}

impl ParseError {
    /// Makes the error of a limit that is exceeded in no certain place.
    pub(crate) fn of_limit(reason: String) -> Self {
        Self { id: None, owner: None, kind: ParseErrorKind::Limit, reason, offset: None }
    }
}

/// Kind of a parse error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// The file is not JSON.
    Syntax,
    /// The JSON is no notebook.
    Shape,
    /// The notebook is beyond a limit.
    Limit,
}

/// A problem in the text of a file, described without content.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) reason: String,
    place: Place,
    kind: ParseErrorKind,
}

#[derive(Debug)]
enum Place {
    /// The address in memory of a part of the file's text.
    Address(usize),
    LineAndColumn(usize, usize),
}

impl Problem {
    /// Makes the problem of this value.
    pub(crate) fn at(value: &RawValue, reason: impl Into<String>) -> Self {
        Self::behind(value, 0, reason)
    }

    /// Makes a problem this many bytes after the value's beginning.
    pub(crate) fn behind(value: &RawValue, bytes: usize, reason: impl Into<String>) -> Self {
        let address = value.get().as_ptr().addr() + bytes;
        Self { reason: reason.into(), place: Place::Address(address), kind: ParseErrorKind::Shape }
    }

    /// Makes the problem of a value that exceeds a limit.
    #[expect(clippy::needless_pass_by_value, reason = "errors come by value from `map_err`")]
    pub(crate) fn beyond(value: &RawValue, limit: impl ToString) -> Self {
        Self { kind: ParseErrorKind::Limit, ..Self::at(value, limit.to_string()) }
    }

    /// Makes a problem of the whole file.
    pub(crate) fn whole(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), place: Place::LineAndColumn(1, 1), kind: ParseErrorKind::Shape }
    }

    /// Makes the problem of a file that exceeds a limit.
    pub(crate) fn whole_beyond(limit: &impl ToString) -> Self {
        Self { kind: ParseErrorKind::Limit, ..Self::whole(limit.to_string()) }
    }

    /// Moves the problem to this value, from which the wrong text was made.
    pub(crate) fn moved_to(self, value: &RawValue) -> Self {
        Self { place: Place::Address(value.get().as_ptr().addr()), ..self }
    }

    /// Adds the number of the cell, from 1.
    pub(crate) fn in_cell(self, number: usize) -> Self {
        Self { reason: format!("cell {number}: {}", self.reason), ..self }
    }

    /// Makes the problem of a text that is not an object.
    pub(crate) fn no_object(error: &serde_json::Error) -> Self {
        // An object is the only type that the parser was asked for.
        if error.is_data() { Self::whole("not an object") } else { Self::syntax(error) }
    }

    /// Makes the problem of a file that is not JSON. The parser's messages about syntax contain no content.
    fn syntax(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or_default().to_owned();
        Self { reason, place: Place::LineAndColumn(error.line(), error.column()), kind: ParseErrorKind::Syntax }
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

/// Reads a file with `parse`, which puts the fields of its object into the list, and then makes the result of them. Returns also
/// whether the text held `NaN` or `Infinity`, which are not JSON and were read as null.
pub(crate) fn read_text<T>(
    bytes: &[u8],
    parse: impl for<'a> Fn(&'a str, &mut Fields<'a>) -> Result<T, Problem>,
) -> Result<(T, bool), ParseError> {
    let (mark, bytes) = bytes.strip_prefix(MARK).map_or((0, bytes), |rest| (MARK.len(), rest));
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = mark + error.valid_up_to();
        let reason = format!("byte {offset} is not UTF-8");
        ParseError { id: None, owner: None, kind: ParseErrorKind::Syntax, reason, offset: Some(offset) }
    })?;
    let error = |found: &Fields<'_>, offset, problem: &Problem| {
        let position = Position::at(text, offset, mark);
        let value = |name: &str| {
            let (_, value) = found.iter().find(|(key, _)| key == name)?;
            fields::text(value, name).ok()
        };
        ParseError {
            id: value("id").and_then(|id| NotebookId::new(id).ok()),
            owner: value("user_id").and_then(|owner| UserId::new(owner).ok()),
            kind: problem.kind,
            reason: format!("{position}: {}", problem.reason),
            offset: Some(position.offset()),
        }
    };
    let mut found = Fields::new();
    let first = match parse(text, &mut found) {
        Ok(parsed) => return Ok((parsed, false)),
        Err(problem) => problem,
    };
    // Only now, because few files have such words.
    if first.kind == ParseErrorKind::Syntax
        && let Some((fixed, shifts)) = python::without_nan(text)
    {
        let mut found = Fields::new();
        return parse(&fixed, &mut found)
            .map(|parsed| (parsed, true))
            .map_err(|problem| error(&found, shifts.original(problem.offset_in(&fixed)), &problem));
    }
    Err(error(&found, first.offset_in(text), &first))
}
