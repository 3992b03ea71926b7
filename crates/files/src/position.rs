//! Positions in a file.

use std::fmt;

/// A position in a text: line and column count characters from 1, the offset counts bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    line: usize,
    column: usize,
    offset: usize,
}

impl Position {
    /// Returns the position at this offset of a text. `bytes_before` are the bytes of a byte-order mark before the text.
    pub(crate) fn at(text: &str, offset: usize, bytes_before: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: 1 + before.bytes().filter(|&byte| byte == b'\n').count(),
            column: 1 + before.get(line_start..).unwrap_or_default().chars().count(),
            offset: bytes_before + offset,
        }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {} (byte {})", self.line, self.column, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let text = "ab\nä€x\n";
        assert_eq!(Position::at(text, 0, 0).to_string(), "line 1, column 1 (byte 0)");
        assert_eq!(Position::at(text, 8, 0).to_string(), "line 2, column 3 (byte 8)");
        assert_eq!(Position::at(text, 10, 3).to_string(), "line 3, column 1 (byte 13)");
    }
}
