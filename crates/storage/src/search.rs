//! Searches of an owner's notebooks, and their hits.

use quire_domain::{Cell, CellId, UserId, limits};

use crate::{Cursor, PageRequest, Summary};

/// Maximum characters of a text to look for.
const MAX_CHARS: usize = 200;
/// Maximum number of cells that are returned of one notebook.
const MAX_CELLS: usize = 10;
/// Maximum characters that are returned of a line.
const MAX_LINE_CHARS: usize = 200;

/// A text to look for, in which the letters A to Z stand for a to z too. Other letters stand for themselves, because all stores
/// must find the same, and their ideas of the case of those letters differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(Box<str>);

/// A search of one owner's notebooks.
#[derive(Clone, Copy, Debug)]
pub struct SearchRequest<'a> {
    /// The owner.
    pub owner: &'a UserId,
    /// The text to look for.
    pub text: &'a SearchText,
    /// The part of the hits that is asked for.
    pub page: &'a PageRequest,
}

/// A text that cannot be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text to look for must have 1 to {MAX_CHARS} characters that are not all blank")]
pub struct InvalidSearch;

impl SearchText {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is blank or too long.
    pub fn new(text: &str) -> Result<Self, InvalidSearch> {
        if text.trim().is_empty() || limits::short_text("the text", MAX_CHARS, &text.replace('\0', " ")).is_err() {
            return Err(InvalidSearch);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// Returns the text with a to z for A to Z.
    #[must_use]
    pub fn lowered(&self) -> &str {
        &self.0
    }

    /// Returns the byte offset at which the text begins in another.
    #[must_use]
    pub fn find_in(&self, text: &str) -> Option<usize> {
        text.to_ascii_lowercase().find(&*self.0)
    }
}

/// A notebook that has the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The notebook.
    pub notebook: Summary,
    /// Set when the text is in its name.
    pub in_name: bool,
    /// The first cells whose code has it, in document order; at most [`Hit::MAX_CELLS`].
    pub cells: Vec<CellHit>,
}

/// A cell that has the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellHit {
    /// The cell.
    pub id: CellId,
    /// Number of the line in which the text first begins, from 1.
    pub line: usize,
    /// That line, or the part of it in which the text begins.
    pub text: String,
}

impl Hit {
    /// Maximum number of cells that are returned of one notebook.
    pub const MAX_CELLS: usize = MAX_CELLS;

    /// Searches a notebook with these cells, in document order; `None` when the text is nowhere in it.
    #[must_use]
    pub fn find<'a>(text: &SearchText, notebook: Summary, cells: impl Iterator<Item = &'a Cell>) -> Option<Self> {
        let in_name = notebook.name.as_deref().is_some_and(|name| text.find_in(name).is_some());
        let cells: Vec<_> =
            cells.filter_map(|cell| CellHit::find(text, &cell.id, &cell.code)).take(MAX_CELLS).collect();
        (in_name || !cells.is_empty()).then_some(Self { notebook, in_name, cells })
    }
}

impl CellHit {
    /// Searches a cell's code.
    #[must_use]
    pub fn find(text: &SearchText, cell: &CellId, code: &str) -> Option<Self> {
        let at = text.find_in(code)?;
        let (before, from) = code.split_at(at);
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = from.find('\n').map_or(code.len(), |newline| at + newline);
        // A text may begin with the end of a line.
        let line_text = &code[begin..end.max(begin)];
        let ahead = before[begin..].chars().count();
        let skipped = if ahead + text.0.chars().count() > MAX_LINE_CHARS { ahead } else { 0 };
        Some(Self {
            id: cell.clone(),
            line: before.matches('\n').count() + 1,
            text: line_text.chars().skip(skipped).take(MAX_LINE_CHARS).collect(),
        })
    }
}

/// A part of a search's hits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// The notebooks with hits, in the order of lists.
    pub hits: Vec<Hit>,
    /// The place at which the next part begins; absent when there is nothing more.
    pub next: Option<Cursor>,
}

impl SearchPage {
    /// Makes a page of the first `limit` of these hits; one more hit than that means that there is a next page.
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
