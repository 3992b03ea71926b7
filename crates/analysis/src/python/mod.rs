//! Python cells: Ruff's parser, then a scope pass of this crate.

mod bindings;
mod builtins;
mod deep;
mod expr;
mod help;
mod magics;
mod names;
mod nesting;
mod scope;
mod source;
mod walk;

use std::borrow::Cow;
use std::panic::catch_unwind;

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Expr, ModModule, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_expression, parse_unchecked};

use crate::position::{self, Finding};
use crate::types::{Analysis, Read};
pub(crate) use deep::drop_tree;
use magics::Shape;
use nesting::Nesting;
use source::Source;
use walk::{Bounds, Walk};

/// Analyses which names a Python cell reads and writes.
pub(crate) fn analyse(code: &str) -> Analysis {
    let mut analysis = Analysis::default();
    let mut findings = Vec::new();
    let bom = if code.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let cell = Source::of(&code[bom..]);
    match magics::shape(&cell.text) {
        Shape::Other { reads, writes, dynamic } => {
            analysis.dynamic = dynamic;
            names_into(&writes, &mut analysis.writes);
            let mut names = Vec::new();
            names_into(&reads, &mut names);
            analysis.reads = names.into_iter().map(|name| Read { name, deferred: false }).collect();
        }
        Shape::Python { start, writes, reads_only } => {
            // The code after a cell magic is again a cell. Without one, it is this cell, from which the prefixes are gone.
            let body = if start == 0 { Source::whole(&cell.text) } else { Source::of(&cell.text[start..]) };
            analyse_flush(&body.text, &writes, MAX_MAGICS, &mut analysis, &mut findings);
            for finding in &mut findings {
                finding.offset = bom + cell.original(start + body.original(finding.offset));
            }
            if reads_only {
                analysis.writes.clear();
                analysis.deletes.clear();
                names_into(&writes, &mut analysis.writes);
            }
        }
    }
    analysis.diagnostics = position::locate(code, findings);
    analysis
}

/// Maximum nesting of magics that run Python: each level reads the rest of its line again.
const MAX_MAGICS: usize = 3;

/// Analyses the Python on the line of a magic; `magics` is the number of magics that may be nested in it.
fn analyse_line(code: &str, magics: usize) -> Analysis {
    let mut analysis = Analysis::default();
    // Errors in that code show when it runs; the cell runs until there.
    analyse_flush(code, &[], magics, &mut analysis, &mut Vec::new());
    analysis
}

/// Returns the identifier that `text` is, NFKC-normalised; `None` if it is no identifier or a keyword.
pub(crate) fn identifier(text: &str) -> Option<String> {
    let mut characters = text.chars();
    let first = characters.next()?;
    if text.is_ascii() {
        let is_name = (first == '_' || first.is_ascii_alphabetic())
            && characters.all(|c| c == '_' || c.is_ascii_alphanumeric())
            && !is_keyword(text);
        return is_name.then(|| text.to_owned());
    }
    // Only the parser knows Unicode's XID tables and the normal form; the check admits only text that may be one name.
    if text.chars().any(|c| c != '_' && !c.is_alphanumeric() && c.is_ascii()) {
        return None;
    }
    let parsed = parse_expression(text).ok()?;
    match parsed.syntax().body.as_ref() {
        Expr::Name(name) if name.range == parsed.syntax().range => Some(name.id.to_string()),
        _ => None,
    }
}

/// Returns `true` for hard keywords; the soft ones (`match`, `case`, `type`, `_`) are names wherever no statement
/// begins.
fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 35] = [
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
        "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
        "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
    ];
    KEYWORDS.binary_search(&name).is_ok()
}

fn names_into(names: &[&str], list: &mut Vec<String>) {
    list.extend(names.iter().filter_map(|name| identifier(name)));
    list.sort_unstable();
    list.dedup();
}

/// Analyses Python without common indentation, with `IPython`'s magics, shell lines and help lines in it.
fn analyse_flush(code: &str, writes: &[&str], magics: usize, analysis: &mut Analysis, findings: &mut Vec<Finding>) {
    let nesting = Nesting::of(code);
    if let Some(offset) = nesting.too_deep(code) {
        findings.push(Finding::error(offset, "nested too deeply"));
        return;
    }
    let Some(mut parsed) = parse(code, &nesting) else {
        findings.push(Finding::error(0, "the parser failed on this cell"));
        return;
    };
    let mut code = Cow::Borrowed(code);
    let mut misplaced = None;
    if nesting.escapes && code.contains('?') {
        let (text, mark) = help::without_help_lines(&code, parsed.tokens());
        misplaced = mark;
        if let Some(text) = text {
            drop_unwalked(parsed, &code);
            code = text.into();
            let Some(again) = parse(&code, &nesting) else {
                findings.push(Finding::error(0, "the parser failed on this cell"));
                return;
            };
            parsed = again;
        }
    }
    // Ruff's errors are in order of position. Hostile code has one for each byte.
    findings.extend(
        parsed
            .errors()
            .iter()
            .take(position::MAX_DIAGNOSTICS)
            .map(|error| Finding::error(error.location.start().to_usize(), &error.error.to_string())),
    );
    if let Some(end) = misplaced.filter(|_| findings.is_empty()) {
        // The parser takes a blank before the question mark, IPython does not.
        findings.push(Finding::error(end - 1, "a question mark asks for help only directly behind a name"));
    }
    let bounds = Bounds { code_bytes: code.len(), magics };
    if let Some(cleaned) = (!findings.is_empty()).then(|| without_pasted_blanks(&code)).flatten() {
        // Python refuses these blanks, so the errors remain; the names are those that the author meant.
        drop_unwalked(parsed, &code);
        if let Some(parsed) = parse(&cleaned, &nesting) {
            findings.extend(walk(&nesting, parsed, bounds, writes, analysis));
        }
    } else {
        findings.extend(walk(&nesting, parsed, bounds, writes, analysis));
    }
}

fn parse(code: &str, nesting: &Nesting) -> Option<Parsed<ModModule>> {
    // Ruff 0.0.10 panics on some half-typed code with help lines (`IPython escape command expression is only allowed
    // for % and !`). No such panic is known without `IPython`'s syntax, and such code is broken either way.
    let parse_as = |mode| {
        let options = ParseOptions::from(mode).with_target_version(PythonVersion::latest());
        catch_unwind(|| parse_unchecked(code, options)).ok()
    };
    deep::parse(code, nesting, || parse_as(Mode::Ipython).or_else(|| parse_as(Mode::Module)))?.try_into_module()
}

/// Finds the names in a syntax tree; returns the reason if they are not known.
fn walk(
    nesting: &Nesting,
    parsed: Parsed<ModModule>,
    bounds: Bounds,
    writes: &[&str],
    analysis: &mut Analysis,
) -> Option<Finding> {
    let mut walk = Walk::new(nesting.walrus, bounds);
    walk.visit_body(&parsed.syntax().body);
    for name in writes.iter().filter_map(|name| identifier(name)) {
        walk.store_at_module_level(&name);
    }
    let is_too_complex = walk.is_too_complex();
    if !is_too_complex {
        walk.scopes.names.report(analysis);
    }
    analysis.star = walk.star;
    analysis.dynamic |= walk.dynamic | is_too_complex;
    let deepest = walk.deepest;
    drop(walk);
    drop_tree(parsed, deepest);
    is_too_complex.then(|| {
        Finding::warning(0, "too complex to analyse: the names of a class are too long, so that no names are known")
    })
}

/// Drops a tree whose depth was not measured: it is at most as deep as the code has bytes.
fn drop_unwalked(parsed: Parsed<ModModule>, code: &str) {
    drop_tree(parsed, code.len());
}

/// Returns the code with ordinary spaces in place of the blanks of web pages and word processors, and without
/// zero-width characters; `None` if there are none.
fn without_pasted_blanks(code: &str) -> Option<String> {
    fn is_zero_width(c: char) -> bool {
        matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
    }
    fn is_blank(c: char) -> bool {
        !c.is_ascii() && (c.is_whitespace() || is_zero_width(c))
    }
    code.contains(is_blank).then(|| {
        let kept = code.chars().filter(|&c| !is_zero_width(c));
        kept.map(|c| if is_blank(c) { ' ' } else { c }).collect()
    })
}
