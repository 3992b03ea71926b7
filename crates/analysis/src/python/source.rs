//! The Python that `IPython` makes of a pasted cell: without indentation, `>>> ` and `In [1]: `.
//!
//! Each of these only removes the beginning of a line, so a place in the result is easily found in the cell. Source:
//! `IPython.core.inputtransformer2` of version 9.

use std::borrow::Cow;

/// Code without the prefixes of pasted lines.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) text: Cow<'a, str>,
    /// Offsets in `text`, ascending, each with the number of bytes that were removed before it.
    cuts: Vec<(usize, usize)>,
}

impl<'a> Source<'a> {
    /// Removes what `IPython` removes: the common indentation, then prompts.
    pub(super) fn of(code: &'a str) -> Self {
        if is_plain(code) {
            return Self::whole(code);
        }
        let first = first_line(code);
        let is_indented = first.starts_with([' ', '\t']);
        let second = lines(&code[offset_in(code, first) + first.len()..]).next().unwrap_or_default();
        let has_doctest = code.contains(">>>");
        let has_prompts = [first, second].map(str::trim_start).into_iter().any(|line| ipython_prompt(line) > 0);
        if !is_indented && !has_doctest && !has_prompts {
            return Self::whole(code);
        }
        let mut lines: Vec<Line<'_>> = lines(code).map(|line| Line { rest: line, cut: 0, in_string: false }).collect();
        dedent(&mut lines);
        if has_doctest {
            cut_doctest_prompts(&mut lines);
        }
        if has_prompts {
            for line in &mut lines {
                line.cut(ipython_prompt(line.rest));
            }
        }
        Self::joined(&lines)
    }

    /// Code of which nothing is removed.
    pub(super) fn whole(code: &'a str) -> Self {
        Self { text: code.into(), cuts: Vec::new() }
    }

    fn joined(lines: &[Line<'_>]) -> Self {
        let mut text = String::new();
        let mut cuts = Vec::new();
        let mut missing = 0;
        for line in lines {
            if line.cut > 0 {
                missing += line.cut;
                cuts.push((text.len(), missing));
            }
            text.push_str(line.rest);
        }
        Self { text: text.into(), cuts }
    }

    /// Returns the offset in the code for an offset in [`Self::text`].
    pub(super) fn original(&self, offset: usize) -> usize {
        let before = self.cuts.partition_point(|&(at, _)| at <= offset);
        offset + before.checked_sub(1).map_or(0, |last| self.cuts[last].1)
    }
}

/// A line with its end, and the number of bytes removed from its beginning.
struct Line<'a> {
    rest: &'a str,
    cut: usize,
    /// `true` inside a string of several lines, in which prompts are text.
    in_string: bool,
}

impl Line<'_> {
    fn cut(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
        self.cut += bytes;
    }

    fn is_blank(&self) -> bool {
        self.rest.trim().is_empty()
    }
}

/// Returns `true` if there is certainly nothing to remove, as in nearly all cells: no `>>>`, no indentation, and the lines where
/// `IPython` looks for its own prompts begin with other characters. Looking closer adds some percent to a short cell's analysis.
fn is_plain(code: &str) -> bool {
    let mut lines = code.as_bytes().split(|byte| matches!(byte, b'\n' | b'\r'));
    let Some(first) = lines.find(|line| !line.trim_ascii().is_empty()) else { return false };
    // Of `\r\n`, an empty line is seen between the first and the second.
    let has_other_begin = |line: &[u8]| {
        line.trim_ascii_start()
            .first()
            .is_none_or(|byte| byte.is_ascii_graphic() && !matches!(byte, b'[' | b'I' | b'.'))
    };
    first.first().is_some_and(|byte| !matches!(byte, b' ' | b'\t'))
        && has_other_begin(first)
        && lines.take(2).all(has_other_begin)
        && !(code.contains('>') && code.contains(">>>"))
}

/// Returns the lines with their ends, which are `\n`, `\r\n` and a lone `\r`.
fn lines(code: &str) -> impl Iterator<Item = &str> {
    code.split_inclusive('\n').flat_map(|line| {
        // A `\r` ends a line by itself only if other text follows.
        let end = line.trim_end_matches('\n').trim_end_matches('\r').len();
        let (text, end) = line.split_at(end);
        let count = text.matches('\r').count();
        let last = text.rfind('\r').map_or(0, |at| at + 1);
        let ends_at = last..text.len() + end.len();
        text[..last].split_inclusive('\r').take(count).chain(std::iter::once(&line[ends_at]))
    })
}

fn offset_in(code: &str, part: &str) -> usize {
    part.as_ptr() as usize - code.as_ptr() as usize
}

/// Returns the first line that is not blank, or the empty end.
fn first_line(code: &str) -> &str {
    lines(code).find(|line| !line.trim().is_empty()).unwrap_or(&code[code.len()..])
}

/// Returns the length of a prompt of `IPython` before a line: `In [1]: `, or dots and a colon.
fn ipython_prompt(line: &str) -> usize {
    let rest = without_prefixes(without_prefixes(line, "[nav] "), "[ins] ");
    let rest = rest.strip_prefix(' ').filter(|rest| rest.starts_with("In [")).unwrap_or(rest);
    if let Some(numbered) = rest.strip_prefix("In [") {
        let after = numbered.trim_start_matches(|c: char| c.is_ascii_digit());
        return match after.strip_prefix("]: ") {
            Some(code) if after.len() < numbered.len() => line.len() - code.len(),
            _ => 0,
        };
    }
    let dots = line.trim_start();
    let colon = dots.trim_start_matches('.');
    if dots.len() - colon.len() < 3 {
        return 0;
    }
    colon.strip_prefix(':').map_or(0, |code| line.len() - code.strip_prefix(' ').unwrap_or(code).len())
}

/// Removes a prefix as often as it is there. `trim_start_matches` prepares a search, which takes longer than the rest of a short cell.
fn without_prefixes<'a>(mut line: &'a str, prefix: &str) -> &'a str {
    while let Some(rest) = line.strip_prefix(prefix) {
        line = rest;
    }
    line
}

/// Returns the length of Python's own prompt before a line, which may be indented.
fn doctest_prompt(line: &str) -> usize {
    let rest = line.trim_start();
    let code = rest.strip_prefix(">>>").or_else(|| rest.strip_prefix("..."));
    code.map_or(0, |code| line.len() - code.strip_prefix([' ', '\t']).unwrap_or(code).len())
}

/// Removes `>>> ` and `... ` if any line has the former, and then the common indentation of the lines.
fn cut_doctest_prompts(lines: &mut [Line<'_>]) {
    mark_strings(lines);
    let is_first = |line: &Line<'_>| !line.in_string && line.rest.trim_start().starts_with(">>>");
    if !lines.iter().any(is_first) {
        return;
    }
    for segment in lines.chunk_by_mut(|a, b| a.in_string == b.in_string).filter(|segment| !segment[0].in_string) {
        let mut has_prompt = false;
        for line in segment.iter_mut() {
            let prompt = doctest_prompt(line.rest);
            has_prompt |= prompt > 0;
            line.cut(prompt);
        }
        if has_prompt {
            dedent(segment);
        }
    }
}

/// Marks the lines that begin inside a triple-quoted string on lines without prompts.
fn mark_strings(lines: &mut [Line<'_>]) {
    let mut open: Option<(&str, bool)> = None;
    for line in lines {
        line.in_string = open.is_some_and(|(_, is_text)| is_text);
        let is_prompted = doctest_prompt(line.rest) > 0;
        let mut rest = line.rest;
        while let Some(at) = rest.find(['"', '\'']) {
            let quote = rest.get(at..at + 3).filter(|quote| matches!(*quote, "\"\"\"" | "'''"));
            let is_escaped = rest[..at].ends_with('\\');
            rest = &rest[at + quote.map_or(1, str::len)..];
            match (quote, open) {
                (Some(quote), None) if !is_escaped => open = Some((quote, !is_prompted)),
                (Some(quote), Some((opened, _))) if quote == opened && !is_escaped => open = None,
                _ => {}
            }
        }
    }
}

/// Removes the indentation that all lines have.
fn dedent(lines: &mut [Line<'_>]) {
    let mut common: Option<&str> = None;
    for line in lines.iter().filter(|line| !line.is_blank()) {
        let indent = &line.rest[..line.rest.len() - line.rest.trim_start_matches([' ', '\t']).len()];
        let shared = common.map_or(indent, |common| {
            let same = common.bytes().zip(indent.bytes()).take_while(|(a, b)| a == b).count();
            &indent[..same]
        });
        common = Some(shared);
    }
    let common = common.unwrap_or_default().len();
    for line in lines.iter_mut().filter(|line| !line.is_blank()) {
        line.cut(common);
    }
}
