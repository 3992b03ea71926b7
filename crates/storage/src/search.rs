//! Searching an owner's notebooks: what for, and what is found.

use quire_domain::{Cell, CellId, limits};

use crate::{Cursor, Summary};

/// Characters of a text to look for.
const MAX_CHARS: usize = 200;
/// Cells that are told of one notebook.
const MAX_CELLS: usize = 10;
/// Characters that are told of a line.
const LINE_CHARS: usize = 200;

/// A text to look for: as it stands, except that the letters A to Z stand for a to z too. No more than that, because
/// stores must agree on it to the letter, and their ideas of the case of other letters differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(Box<str>);

/// A text that cannot be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text to look for must have 1 to {MAX_CHARS} characters that are not all blank")]
pub struct InvalidSearch;

impl SearchText {
    /// Looks for this.
    ///
    /// # Errors
    /// When it is blank or too long.
    pub fn new(text: &str) -> Result<Self, InvalidSearch> {
        if text.trim().is_empty() || limits::short_text("the text", MAX_CHARS, &text.replace('\0', " ")).is_err() {
            return Err(InvalidSearch);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The text with a to z for A to Z.
    #[must_use]
    pub fn lowered(&self) -> &str {
        &self.0
    }

    /// Where the text begins in another, as a byte offset.
    #[must_use]
    pub fn find_in(&self, text: &str) -> Option<usize> {
        text.to_ascii_lowercase().find(&*self.0)
    }
}

/// A notebook in which the text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The notebook.
    pub notebook: Summary,
    /// Whether the text is in its name.
    pub in_name: bool,
    /// The first cells whose code has it, in document order; at most [`Hit::MAX_CELLS`].
    pub cells: Vec<CellHit>,
}

/// A cell in which the text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellHit {
    /// The cell.
    pub id: CellId,
    /// The line where it begins for the first time, from 1.
    pub line: usize,
    /// That line, or the part of it where the text begins.
    pub text: String,
}

impl Hit {
    /// Cells that are told of one notebook.
    pub const MAX_CELLS: usize = MAX_CELLS;

    /// What is found in a notebook with these cells, in document order; `None` when it has the text nowhere.
    #[must_use]
    pub fn find<'a>(text: &SearchText, notebook: Summary, cells: impl Iterator<Item = &'a Cell>) -> Option<Self> {
        let in_name = notebook.name.as_deref().is_some_and(|name| text.find_in(name).is_some());
        let cells: Vec<_> =
            cells.filter_map(|cell| CellHit::find(text, &cell.id, &cell.code)).take(MAX_CELLS).collect();
        (in_name || !cells.is_empty()).then_some(Self { notebook, in_name, cells })
    }
}

impl CellHit {
    /// What is found in a cell's code.
    #[must_use]
    pub fn find(text: &SearchText, cell: &CellId, code: &str) -> Option<Self> {
        let at = text.find_in(code)?;
        let (before, from) = code.split_at(at);
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = from.find('\n').map_or(code.len(), |newline| at + newline);
        // A text may begin with the end of a line.
        let line_text = &code[begin..end.max(begin)];
        let ahead = before[begin..].chars().count();
        let skipped = if ahead + text.0.chars().count() > LINE_CHARS { ahead } else { 0 };
        Some(Self {
            id: cell.clone(),
            line: before.matches('\n').count() + 1,
            text: line_text.chars().skip(skipped).take(LINE_CHARS).collect(),
        })
    }
}

/// A part of what is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// In the order of lists.
    pub hits: Vec<Hit>,
    /// Where the next part begins; absent when there is nothing more.
    pub next: Option<Cursor>,
}

impl SearchPage {
    /// The first `limit` of these hits, one more of which says that there is a next page.
    #[must_use]
    pub fn first(mut hits: Vec<Hit>, limit: Option<usize>) -> Self {
        let limit = limit.unwrap_or(usize::MAX);
        let is_cut = hits.len() > limit;
        hits.truncate(limit);
        let next = hits.last().filter(|_| is_cut).map(|hit| hit.notebook.cursor());
        Self { hits, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_told_where_the_text_begins() {
        let long = format!("{}needle{}", "ä".repeat(300), "x".repeat(300));
        for (code, text, line, shown) in [
            ("a\nb = NEEDLE\r\nc", "needle", 2, "b = NEEDLE\r"),
            ("needle", "Needle", 1, "needle"),
            ("a\nb", "a\nb", 1, "a"),
            ("a\nb", "\nb", 1, "a"),
            (&long, "needle", 1, &format!("needle{}", "x".repeat(194))),
        ] {
            let found = CellHit::find(&SearchText::new(text).unwrap(), &CellId::new("c").unwrap(), code).unwrap();
            assert_eq!((found.line, found.text.as_str()), (line, shown));
        }
        assert!(SearchText::new("é").unwrap().find_in("É").is_none());
        for bad in ["", " \t", &"x".repeat(201)] {
            assert_eq!(SearchText::new(bad), Err(InvalidSearch));
        }
        assert!(SearchText::new("\0").is_ok());
    }
}
