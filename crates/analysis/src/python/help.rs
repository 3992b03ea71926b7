//! Help lines of `IPython`: `f?`, `np.*load*?`, `a[-1]??`, `m = f?`.
//!
//! A line that ends in a question mark shows the help for the expression before it; nothing else on it runs. Source:
//! `IPython.core.inputtransformer2.HelpEnd`.

use ruff_python_ast::token::{TokenKind, Tokens};

/// Returns the code with a number in place of every help line, of the same length, if there are any. Returns also the
/// end of a line whose question mark follows something that has no help.
pub(super) fn without_help_lines(code: &str, tokens: &Tokens) -> (Option<String>, Option<usize>) {
    let mut misplaced = None;
    let mut text = String::new();
    let mut done = 0;
    let (mut start, mut end) = (None, None);
    for token in tokens {
        let (kind, range) = token.as_tuple();
        let range = range.start().to_usize()..range.end().to_usize();
        match kind {
            TokenKind::Newline | TokenKind::EndOfFile => match (start.take(), end.take()) {
                (Some(start), Some(end)) if asks_for_something(&code[start..end]) => {
                    text.push_str(&code[done..start]);
                    text.push('0');
                    text.extend(std::iter::repeat_n(' ', end - start - 1));
                    done = end;
                }
                (_, Some(end)) => misplaced = misplaced.or(Some(end)),
                _ => {}
            },
            // A comment is the last token of its line, so the question mark is not.
            TokenKind::Comment => misplaced = misplaced.or(end.take()),
            TokenKind::Indent | TokenKind::Dedent | TokenKind::NonLogicalNewline => {}
            // The question mark is an unknown token where the parser does not know `IPython`'s syntax.
            _ => {
                start = start.or(Some(range.start));
                let is_mark =
                    kind == TokenKind::Question || (kind == TokenKind::Unknown && &code[range.clone()] == "?");
                end = is_mark.then_some(range.end);
            }
        }
    }
    text.push_str(&code[done..]);
    ((done > 0).then_some(text), misplaced)
}

/// Returns `true` if a line ends in a name, with attributes, wildcards and literal indices, and one or two question
/// marks.
fn asks_for_something(line: &str) -> bool {
    let Some(mut rest) = line.strip_suffix('?') else { return false };
    rest = rest.strip_suffix('?').unwrap_or(rest);
    while let Some(index) = rest.strip_suffix(']') {
        let number = index.trim_end_matches(|c: char| c.is_ascii_digit());
        if number.len() == index.len() {
            return false;
        }
        let Some(before) = number.strip_suffix('-').unwrap_or(number).strip_suffix('[') else { return false };
        rest = before;
    }
    let is_in_name = |c: char| c == '_' || c == '*' || c.is_alphanumeric();
    let name = rest.rsplit(|c| !is_in_name(c)).next().unwrap_or_default();
    name.contains(|c: char| !c.is_numeric())
}
