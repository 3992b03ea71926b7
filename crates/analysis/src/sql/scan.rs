//! Scans the text outside strings, quoted identifiers and comments of `PostgreSQL`.
//!
//! Source: <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>, and section 5 of the dependency rules.

use crate::position::Finding;
use crate::python;

/// A `{name}`, for which a value is passed when the cell runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// Byte offset of the opening brace.
    pub(super) start: usize,
    /// Byte offset after the closing brace.
    pub(super) end: usize,
    /// The name, NFKC-normalised.
    pub(super) name: String,
}

/// Returns the placeholders of a cell in order, and an error if something is not closed.
pub(super) fn scan(code: &str) -> (Vec<Placeholder>, Option<Finding>) {
    let mut scanner = Scanner { code, at: 0, placeholders: Vec::new(), unclosed: None };
    while scanner.at < code.len() {
        scanner.step();
    }
    (scanner.placeholders, scanner.unclosed)
}

struct Scanner<'a> {
    code: &'a str,
    at: usize,
    placeholders: Vec<Placeholder>,
    unclosed: Option<Finding>,
}

/// Returns `true` if a byte can begin an identifier or keyword; `PostgreSQL` accepts any letter beyond ASCII.
fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

/// Returns `true` if a byte can continue an identifier or keyword.
fn continues_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Scanner<'_> {
    fn rest(&self) -> &[u8] {
        // `at` is always at an ASCII byte or at the end of a run of non-ASCII ones.
        &self.code.as_bytes()[self.at..]
    }

    fn step(&mut self) {
        match self.rest() {
            [b'\'', ..] => self.quoted(b'\'', false, "string"),
            [b'"', ..] => self.quoted(b'"', false, "quoted identifier"),
            [b'`', ..] => self.quoted(b'`', false, "quoted identifier"),
            [b'-', b'-', ..] => self.skip_while(|byte| !matches!(byte, b'\n' | b'\r')),
            [b'/', b'*', ..] => self.comment(),
            [b'$', ..] => self.dollar(),
            [b'{', b'{', ..] | [b'}', b'}', ..] => self.at += 2,
            [b'{', ..] => self.brace(),
            &[byte, ..] if begins_word(byte) => self.word(),
            // A digit begins a number; the letters after it belong to the number, as in `1e5` and `0xff`.
            &[byte, ..] if byte.is_ascii_digit() => self.skip_while(continues_word),
            _ => self.at += 1,
        }
    }

    fn skip_while(&mut self, goes_on: impl Fn(u8) -> bool) {
        let rest = self.rest();
        self.at += rest.iter().position(|&byte| !goes_on(byte)).unwrap_or(rest.len());
    }

    /// Skips to the end, because the token that begins at `start` is not closed.
    fn unclosed(&mut self, start: usize, what: &str) {
        self.at = self.code.len();
        self.unclosed = Some(Finding::error(start, &format!("this {what} is not closed")));
    }

    fn quoted(&mut self, quote: u8, escapes: bool, what: &str) {
        let start = self.at;
        self.at += 1;
        loop {
            self.skip_while(|byte| byte != quote && !(escapes && byte == b'\\'));
            match self.rest() {
                // A doubled quote is a quote. `\` escapes one byte; the rest of a multi-byte character is text.
                [b'\\', _, ..] => self.at += 2,
                [first, second, ..] if first == second => self.at += 2,
                [first, ..] if *first == quote => {
                    self.at += 1;
                    return;
                }
                _ => return self.unclosed(start, what),
            }
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.rest() {
                [b'/', b'*', ..] => {
                    depth += 1;
                    self.at += 2;
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                [] => return self.unclosed(start, "comment"),
                _ => self.at += 1,
            }
        }
    }

    /// Skips `$tag$ … $tag$`, the parameter `$1`, or a stray dollar sign. ([`Self::word`] has taken one that follows an
    /// identifier character.)
    fn dollar(&mut self) {
        let start = self.at;
        let tag = &self.rest()[1..];
        let length = tag.iter().position(|&byte| !continues_word(byte) || byte == b'$').unwrap_or(tag.len());
        let is_quote = tag.get(length) == Some(&b'$') && !tag.first().is_some_and(u8::is_ascii_digit);
        if !is_quote {
            // Only the digits of a parameter may follow.
            self.at += 1;
            return self.skip_while(|byte| byte.is_ascii_digit());
        }
        let body = start + length + 2;
        let delimiter = &self.code[start..body];
        match self.code[body..].find(delimiter) {
            Some(end) => self.at = body + end + delimiter.len(),
            None => self.unclosed(start, "dollar-quoted string"),
        }
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip_while(continues_word);
        if self.rest().first() == Some(&b'\'') && matches!(&self.code[start..self.at], "e" | "E") {
            self.quoted(b'\'', true, "string");
        }
    }

    fn brace(&mut self) {
        let start = self.at;
        self.at += 1;
        self.skip_while(|byte| continues_word(byte) && byte != b'$');
        if self.rest().first() == Some(&b'}')
            && let Some(name) = python::identifier(&self.code[start + 1..self.at])
        {
            self.at += 1;
            self.placeholders.push(Placeholder { start, end: self.at, name });
        } else {
            // The text in the braces is ordinary text: it may begin a string.
            self.at = start + 1;
        }
    }
}
