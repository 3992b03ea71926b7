//! SQL cells: a scanner of this crate for the placeholders, `sqlparser` for the tables.

mod clauses;
mod complexity;
mod dialect;
mod effects;
mod lookahead;
mod rewrite;
mod scan;
mod statements;
mod tables;
mod utility;

use scan::Placeholder;

use crate::position;
use crate::python;
use crate::types::{Analysis, Read};

/// Analyses which names and tables an SQL cell reads and writes.
pub(crate) fn analyse(code: &str) -> Analysis {
    let (placeholders, unclosed) = scan::scan(code);
    let mut names: Vec<&str> = placeholders.iter().map(|placeholder| placeholder.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut findings = Vec::new();
    let is_closed = unclosed.is_none();
    findings.extend(unclosed);
    let found = statements::tables(&without_placeholders(code, &placeholders), is_closed, &mut findings);
    Analysis {
        // A built-in cannot be a parameter, so `{id}` and the like mean a variable of the notebook.
        reads: names.into_iter().map(|name| Read { name: name.to_owned(), deferred: false }).collect(),
        writes: result_name(code).into_iter().collect(),
        tables_read: found.read.into_iter().collect(),
        tables_written: found.written.into_iter().collect(),
        changes_data: found.changes_data,
        diagnostics: position::locate(code, findings),
        ..Analysis::default()
    }
}

/// Returns the name that a first line `-- name: ident` gives to the result.
fn result_name(code: &str) -> Option<String> {
    let line = code.strip_prefix('\u{feff}').unwrap_or(code).split(['\n', '\r']).next()?;
    let comment = line.trim().strip_prefix("--")?;
    python::identifier(comment.trim_start().strip_prefix("name:")?.trim())
}

/// Returns the code as `sqlparser` can read it: a parameter replaces every placeholder, and every character keeps its
/// line and column.
fn without_placeholders(code: &str, placeholders: &[Placeholder]) -> String {
    let mut text = String::with_capacity(code.len());
    let mut done = 0;
    for &Placeholder { start, end, .. } in placeholders {
        text.push_str(&code[done..start]);
        // The blank keeps `t_{x}` from becoming the identifier `t_$1`. It always fits, because `{x}` is the shortest
        // placeholder.
        let joins = text.ends_with(|before: char| before == '_' || before == '$' || before.is_alphanumeric());
        text.push_str(if joins { " $1" } else { "$1 " });
        text.extend(code[start..end].chars().skip(3).map(|_| ' '));
        done = end;
    }
    text.push_str(&code[done..]);
    if text.starts_with('\u{feff}') {
        text.replace_range(..'\u{feff}'.len_utf8(), " ");
    }
    text
}
