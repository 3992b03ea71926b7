//! How deep code is nested, looked at before it is parsed.
//!
//! Parsing takes about 2 KiB of memory for each level, so 256 KiB of brackets would take half a GiB. `CPython` refuses such
//! code anyway (more than 200 brackets, or some 3,000 signs in a row), so it is refused here before it costs anything.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::Mode;
use ruff_python_parser::lexer;

/// How many open brackets, or signs in a row, are taken for code that somebody means.
const DEEPEST: usize = 1000;

/// What a look at the bytes says; strings and comments are not told from code.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    /// How many brackets open, and how many stars there are.
    pub(super) brackets: usize,
    /// Where there may be more than [`DEEPEST`] levels.
    suspicious_at: Option<usize>,
}

impl Nesting {
    /// Looks at the bytes of the code, once.
    pub(super) fn of(code: &str) -> Self {
        let mut nesting = Self::default();
        let mut open = 0_usize;
        let mut signs = 0_usize;
        for (at, byte) in code.bytes().enumerate() {
            match byte {
                b'[' | b'(' | b'{' => {
                    nesting.brackets += 1;
                    open += 1;
                    signs = 0;
                }
                b']' | b')' | b'}' => {
                    open = open.saturating_sub(1);
                    signs = 0;
                }
                b'*' => nesting.brackets += 1,
                // The letters of `not` and `await` are taken for a row of them: each ends in its last `t`.
                b'-' | b'+' | b'~' | b't' => signs += 1,
                b' ' | b'\t' | b'\x0c' | b'\\' | b'\r' | b'\n' | b'n' | b'o' | b'a' | b'w' | b'i' => {}
                _ => signs = 0,
            }
            if open.max(signs) > DEEPEST && nesting.suspicious_at.is_none() {
                nesting.suspicious_at = Some(at);
            }
        }
        nesting
    }

    /// Where the code is nested too deeply to be parsed, if it is; about there.
    pub(super) fn too_deep(&self, code: &str) -> Option<usize> {
        self.suspicious_at.filter(|_| is_too_deep(code))
    }
}

/// Reads the tokens, which costs much less than parsing and takes no memory.
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
            assert!(!too_deep(&part.repeat(DEEPEST / 4)), "{part:?}");
        }
        for code in ["'('", "# ((((", "() + ", "x - ", "'''-", "#---", "tatoo ", "\n"] {
            assert!(!too_deep(&code.repeat(5 * DEEPEST)), "{code:?}");
        }
        assert!(!too_deep(&format!("x = '{}'", "(".repeat(5 * DEEPEST))));
        assert!(too_deep(&format!("x = '{}'\n{}", "(".repeat(5 * DEEPEST), "(".repeat(5 * DEEPEST))));
    }
}
