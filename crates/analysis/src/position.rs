//! Conversion of byte offsets to lines and columns.

use crate::types::{Diagnostic, Severity};

/// Maximum number of diagnostics of a cell; hostile code can have an error per byte.
pub(crate) const MAX_DIAGNOSTICS: usize = 50;

/// A diagnostic whose line and column are not yet known.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Byte offset in the code as given.
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn error(offset: usize, message: &str) -> Self {
        Self { severity: Severity::Error, offset, message: presentable(message) }
    }

    pub(crate) fn warning(offset: usize, message: &str) -> Self {
        Self { severity: Severity::Warning, offset, message: presentable(message) }
    }
}

/// Maximum number of characters of a message; the rest is cut.
const LONGEST_MESSAGE: usize = 200;

/// Returns a parser's message on one line and without invisible characters. The message quotes the unexpected token,
/// which may be a string of any length or a control character.
fn presentable(message: &str) -> String {
    let is_visible = |c: char| if c.is_ascii() { !c.is_control() } else { c.is_alphanumeric() };
    let show = |c: char| -> String { if is_visible(c) { c.into() } else { c.escape_unicode().collect() } };
    let mut shown: String = message.chars().take(LONGEST_MESSAGE).map(show).collect();
    if message.chars().nth(LONGEST_MESSAGE).is_some() {
        shown.push('…');
    }
    shown
}

/// Returns the findings in order of position, at most fifty, with lines and columns, in one pass over the code.
///
/// `\n`, `\r\n` and a lone `\r` end a line, as for Python; a leading byte order mark is not a column.
pub(crate) fn locate(code: &str, mut findings: Vec<Finding>) -> Vec<Diagnostic> {
    if findings.is_empty() {
        return Vec::new();
    }
    findings.sort_by_key(|finding| finding.offset);
    findings.truncate(MAX_DIAGNOSTICS);
    let mut cursor = Cursor { line: 1, column: 1, after_return: false };
    let mut characters = code.char_indices().peekable();
    let mut diagnostics = Vec::with_capacity(findings.len());
    for Finding { severity, offset, message } in findings {
        let offset = offset.min(code.len());
        while let Some((_, character)) = characters.next_if(|(at, character)| at + character.len_utf8() <= offset) {
            cursor.advance(character);
        }
        diagnostics.push(Diagnostic { severity, message, line: cursor.line, column: cursor.column, offset });
    }
    diagnostics
}

struct Cursor {
    line: u32,
    column: u32,
    after_return: bool,
}

impl Cursor {
    fn advance(&mut self, character: char) {
        match character {
            '\n' if self.after_return => {}
            '\n' | '\r' => (self.line, self.column) = (self.line.saturating_add(1), 1),
            '\u{feff}' if (self.line, self.column) == (1, 1) => {}
            _ => self.column = self.column.saturating_add(1),
        }
        self.after_return = character == '\r';
    }
}

/// Returns the byte offset of a line and column (both from 1, in characters, lines ended by `\n` alone).
pub(crate) fn offset_of(code: &str, line: u64, column: u64) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match code[start..].find('\n') {
            Some(end) => start += end + 1,
            None => return code.len(),
        }
    }
    let skipped = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    code[start..].char_indices().nth(skipped).map_or(code.len(), |(at, _)| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(code: &str, offset: usize) -> (u32, u32) {
        let found = locate(code, vec![Finding::error(offset, "x")]);
        (found[0].line, found[0].column)
    }

    #[test]
    fn counts_characters_and_every_kind_of_line_end() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab", 1), (1, 2));
        assert_eq!(at("é=1", 2), (1, 2), "two bytes, one character");
        assert_eq!(at("a\nb", 2), (2, 1));
        assert_eq!(at("a\r\nb", 3), (2, 1));
        assert_eq!(at("a\rb", 2), (2, 1));
        assert_eq!(at("a\r\rb", 3), (3, 1));
        assert_eq!(at("\u{feff}ab", 4), (1, 2));
        assert_eq!(at("é", 1), (1, 1), "inside a character is at its beginning");
        assert_eq!(at("ab", 99), (1, 3), "beyond the end is the end");
    }

    #[test]
    fn sorts_and_limits() {
        let code = "x".repeat(200);
        let findings = (0..200).rev().map(|offset| Finding::error(offset, "x")).collect();
        let found = locate(&code, findings);
        assert_eq!(found.len(), MAX_DIAGNOSTICS);
        assert!(found.is_sorted_by_key(|diagnostic| diagnostic.offset));
    }

    #[test]
    fn finds_the_offset_of_a_line_and_column() {
        assert_eq!(offset_of("ab\ncd", 1, 1), 0);
        assert_eq!(offset_of("ab\ncd", 2, 2), 4);
        assert_eq!(offset_of("é\nçd", 2, 2), 5);
        assert_eq!(offset_of("ab", 3, 1), 2);
        assert_eq!(offset_of("ab", 1, 9), 2);
    }
}
