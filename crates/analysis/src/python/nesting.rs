//! Nesting of code, measured before parsing.
//!
//! Parsing takes about 2 KiB of memory for each level, so 256 KiB of brackets would take half a GiB. `CPython` refuses
//! such code (more than 200 brackets, or some 3,000 consecutive signs), so it is refused here before parsing.

#![expect(
    clippy::needless_bitwise_bool,
    reason = "a lazy operator is a branch, and the compiler makes no vector instructions of branches"
)]

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::Mode;
use ruff_python_parser::lexer;

/// Maximum number of open brackets, or of consecutive signs.
const DEEPEST: usize = 1000;

/// Counts over the bytes of the code; strings and comments count as code, so the numbers are upper bounds.
#[derive(Debug)]
pub(super) struct Nesting {
    /// Number of opening brackets and stars.
    pub(super) brackets: usize,
    /// Number of lambdas.
    pub(super) lambdas: usize,
    /// `true` if the code may contain `:=`.
    pub(super) walrus: bool,
    /// `true` if the code may contain one of `IPython`'s escapes other than `%` and `!`.
    pub(super) escapes: bool,
    /// Approximate offset at which there may be more than [`DEEPEST`] levels.
    suspicious_at: Option<usize>,
}

impl Nesting {
    /// Counts over the bytes of the code. The loops that examine each byte run only if the counts are high enough; the
    /// compiler makes vector instructions of the others.
    pub(super) fn of(code: &str) -> Self {
        let bytes = code.as_bytes();
        let brackets = count(bytes, |_, byte| (byte == b'[') | (byte == b'(') | (byte == b'{') | (byte == b'*'));
        // `not` and `await` count as signs; the condition recognises the last two letters of both.
        let signs = count(bytes, |before, byte| {
            let is_word = ((before == b'o') | (before == b'i')) & (byte == b't');
            is_word | (byte == b'-') | (byte == b'+') | (byte == b'~')
        });
        let lambdas = count(bytes, |before, byte| (before == b'm') & (byte == b'b'));
        let walruses = count(bytes, |before, byte| (before == b':') & (byte == b'='));
        let escapes = count(bytes, |before, byte| {
            let is_behind_blank = (before == b'\n') | (before == b'\r') | (before == b' ') | (before == b'\t');
            (byte == b'?') | (is_behind_blank & ((byte == b',') | (byte == b';') | (byte == b'/')))
        });
        let deep_bracket = (brackets > DEEPEST).then(|| first_deep_bracket(bytes)).flatten();
        let suspicious = deep_bracket.or_else(|| (signs > DEEPEST).then(|| first_long_row(bytes)).flatten());
        Self {
            brackets,
            lambdas,
            walrus: walruses > 0,
            escapes: escapes > 0 && has_escapes(code),
            suspicious_at: suspicious.map(|chunk| chunk * CHUNK),
        }
    }

    /// Returns the approximate offset at which the code is nested too deeply to be parsed, if it is.
    pub(super) fn too_deep(&self, code: &str) -> Option<usize> {
        self.suspicious_at.filter(|_| is_too_deep(code))
    }
}

/// Bytes of a chunk: so few that their sum fits in a byte, which makes counting fast.
const CHUNK: usize = 128;

/// Counts the bytes of a chunk that `hit` accepts.
fn sum(chunk: &[u8], hit: impl Fn(u8) -> bool) -> usize {
    usize::from(chunk.iter().map(|&byte| u8::from(hit(byte))).fold(0, u8::wrapping_add))
}

/// Counts the bytes that `hit` accepts, given the previous byte (a line end at the beginning) and the byte.
fn count(bytes: &[u8], hit: impl Fn(u8, u8) -> bool) -> usize {
    let Some((&first, rest)) = bytes.split_first() else { return 0 };
    let in_chunk = |(before, chunk): (&[u8], &[u8])| {
        let hits = before.iter().zip(chunk).map(|(&before, &byte)| u8::from(hit(before, byte)));
        usize::from(hits.fold(0, u8::wrapping_add))
    };
    usize::from(hit(b'\n', first)) + bytes.chunks(CHUNK).zip(rest.chunks(CHUNK)).map(in_chunk).sum::<usize>()
}

/// Returns `true` if a line begins with an escape character, or there is a question mark anywhere.
fn has_escapes(code: &str) -> bool {
    let begins_escape = |line: &str| line.trim_ascii_start().starts_with([',', ';', '/']);
    // A search for one character is much faster than for two, and a lone `\r` is rare.
    let is_old_mac = code.contains('\r') && code.split('\r').any(begins_escape);
    is_old_mac || code.contains('?') || code.split('\n').any(begins_escape)
}

/// Returns the first chunk in which there may be a bracket too many, if every bracket counts.
fn first_deep_bracket(bytes: &[u8]) -> Option<usize> {
    // Maximum number of brackets that may be open at the end of a chunk: those open before plus the balance of the
    // chunk, but at least those that open in the chunk, because surplus closing brackets may precede them.
    let mut open = 0_usize;
    bytes.chunks(CHUNK).position(|chunk| {
        let opening = sum(chunk, |byte| (byte == b'[') | (byte == b'(') | (byte == b'{'));
        let closing = sum(chunk, |byte| (byte == b']') | (byte == b')') | (byte == b'}'));
        let is_deep = open + opening > DEEPEST;
        open = (open + opening).saturating_sub(closing).max(opening);
        is_deep
    })
}

/// Returns the first chunk at which there may be a sign too many in a row of signs. Letters of `not` and `await` count
/// as the words, each of which ends in its last `t`.
fn first_long_row(bytes: &[u8]) -> Option<usize> {
    let is_sign = |byte: u8| (byte == b'-') | (byte == b'+') | (byte == b'~') | (byte == b't');
    let is_between = |byte: u8| {
        let is_letter = (byte == b'n') | (byte == b'o') | (byte == b'a') | (byte == b'w') | (byte == b'i');
        is_letter
            | (byte == b' ')
            | (byte == b'\t')
            | (byte == b'\x0c')
            | (byte == b'\\')
            | (byte == b'\r')
            | (byte == b'\n')
    };
    let mut signs = 0;
    bytes.chunks(CHUNK).position(|chunk| {
        let is_row = sum(chunk, |byte| is_sign(byte) | is_between(byte)) == chunk.len();
        signs = if is_row { signs + sum(chunk, is_sign) } else { 0 };
        // The signs of a row in the chunks at its ends, which hold other code as well, are not counted.
        signs + 2 * CHUNK > DEEPEST
    })
}

/// Returns `true` if the tokens are nested too deeply. Reading tokens costs much less than parsing and takes no memory.
fn is_too_deep(code: &str) -> bool {
    let mut lexer = lexer::lex(code, Mode::Ipython);
    let mut open = 0_usize;
    let mut signs = 0_usize;
    loop {
        let kind = lexer.next_token();
        let is_sign =
            matches!(kind, TokenKind::Minus | TokenKind::Plus | TokenKind::Tilde | TokenKind::Not | TokenKind::Await);
        signs = if is_sign { signs + 1 } else { 0 };
        match kind {
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => open += 1,
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => open = open.saturating_sub(1),
            TokenKind::EndOfFile => return false,
            _ => {}
        }
        if open.max(signs) > DEEPEST {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_deep(code: &str) -> bool {
        Nesting::of(code).too_deep(code).is_some()
    }

    #[test]
    fn tells_nesting_from_text() {
        for part in ["(", "[", "{", "f(", "-", "- ~", "not ", "await ", "-\\\n"] {
            assert!(too_deep(&part.repeat(DEEPEST + 1)), "{part:?}");
            assert!(!too_deep(&(part.repeat(DEEPEST / 4) + "x")), "{part:?}");
        }
        for code in ["'('", "# ((((", "() + ", "x - ", "'''-", "#---", "tatoo ", "\n"] {
            assert!(!too_deep(&code.repeat(5 * DEEPEST)), "{code:?}");
        }
        assert!(!too_deep(&format!("x = '{}'", "(".repeat(5 * DEEPEST))));
        assert!(too_deep(&format!("x = '{}'\n{}", "(".repeat(5 * DEEPEST), "(".repeat(5 * DEEPEST))));
    }
}
