//! Analysis of a cell's code: the names that it reads and writes.
//!
//! [`analyse`] never fails: for broken code it returns [`Diagnostic`]s and what the parts that parse allow. [`Pool`]
//! runs it on its own threads, so that hostile cells do not delay others.
//!
//! # Python
//!
//! A read is a name that the cell may have to get from elsewhere. It is *eager* if the cell's own code loads the name
//! before binding it, and *deferred* if only functions, lambdas or annotations load it and the cell binds it nowhere.
//! Branches count as if they ran, in the order of the text. The cases that the rules leave open are decided as follows:
//!
//! - A leading byte order mark is skipped; `\r\n` and a lone `\r` end lines. No-break spaces and the like are errors,
//!   as for Python, but hide no names.
//! - `del x` in the body of `except … as x` deletes the name that the handler has bound, and is in no list.
//! - `global x` with `del x` in a function is in [`deletes`](Analysis::deletes), as a store would be in `writes`.
//! - `IPython` 9 is the reference for its own syntax (`scripts/measure-analysis` compares): the indentation common to
//!   all lines, `>>> ` and `In [1]: ` are removed, and a help line (`np.*load*?`) does nothing.
//! - `%time statement` and other magics that run Python on their line are analysed with that Python; bindings of
//!   `%timeit` are lost. The code after `%%time`, `%%capture`, `%%prun` and `%%debug` is an ordinary cell; after
//!   `%%timeit` its own bindings are lost; after any other cell magic it is not Python. Names that magics take and
//!   return are reads and writes: `%store`, `%%R -i x -o y`, `%%bigquery df`, `%sql r <<`, `--out` and `--err` of
//!   `%%bash` and its like. `%run` and others whose names are outside the code set [`dynamic`](Analysis::dynamic).
//!   `{x}` and `$x` in a shell line are not reads.
//! - `exec`, `eval`, `globals` and `locals` set `dynamic` wherever they are mentioned; `vars`, `setattr` and `delattr`
//!   when they are called on anything but a local of a function.
//! - More than 1000 nested brackets, or consecutive signs, are an error without names: `CPython` takes 200.
//!
//! # SQL
//!
//! `{name}` outside strings, comments and quoted identifiers is a read, even if the name is a built-in of Python. The
//! soft keywords `match`, `case`, `type` and `_` are names. Tables are named `schema.table`; functions in `FROM`, files
//! and common table expressions are not tables. [`changes_data`](Analysis::changes_data) is set by every statement that
//! is not known to leave data and definitions unchanged; the effects of functions in a query are unknown. The tables in
//! the body of a function or a rule are reads of its definition. A statement that `sqlparser` does not understand is a
//! [`Severity::Warning`], because `PostgreSQL` may understand it; its tables are missing.
//!
//! # Limits
//!
//! The work is bounded before it is done, so that no code costs more than its size allows. An SQL statement has no
//! tables if it is nested too deeply, is one expression of too many tokens, or takes the parser too many steps. A cell
//! with more than [`limits::NAMES`] names has none. Each gives a warning, "too complex to analyse: …".

pub mod limits;
mod pool;
mod position;
mod python;
mod sql;
mod types;

use std::panic::catch_unwind;

pub use pool::Pool;
pub use types::{Analysis, CellType, Diagnostic, Read, Severity};

/// Analyses which names a cell reads and writes.
///
/// Total: never panics, for any text of any nesting, on a thread with a stack of any ordinary size (the analysis
/// allocates more by itself). The time is at most proportional to the size of the code: microseconds for a typical
/// cell, seconds for 256 KiB of the worst SQL, which [`Pool`] keeps apart from other cells.
///
/// ```
/// use quire_analysis::{CellType, analyse};
///
/// let analysis = analyse(CellType::Python, "total = price * 3");
/// assert_eq!((&*analysis.reads[0].name, &*analysis.writes[0]), ("price", "total"));
/// ```
#[must_use]
pub fn analyse(cell_type: CellType, code: &str) -> Analysis {
    // Only the code is shared with the analysis, which reads it and nothing more.
    let analysis = catch_unwind(|| match cell_type {
        CellType::Python => python::analyse(code),
        CellType::Sql => sql::analyse(code),
    });
    let analysis = analysis.unwrap_or_else(|_| failed());
    if analysis.names() > limits::NAMES { too_many_names(analysis) } else { analysis }
}

/// Returns the answer without names for a cell that has too many of them.
fn too_many_names(analysis: Analysis) -> Analysis {
    let Analysis { changes_data, star, mut diagnostics, .. } = analysis;
    let warning = Diagnostic {
        severity: Severity::Warning,
        message: format!("too complex to analyse: more than {} names, so that none are known", limits::NAMES),
        line: 1,
        column: 1,
        offset: 0,
    };
    diagnostics.insert(0, warning);
    diagnostics.truncate(position::MAX_DIAGNOSTICS);
    Analysis { changes_data, star, dynamic: true, diagnostics, ..Analysis::default() }
}

/// Returns the answer for an analysis that panicked, which is a bug of this crate or of a parser.
fn failed() -> Analysis {
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        message: "the analyser failed on this cell".to_owned(),
        line: 1,
        column: 1,
        offset: 0,
    };
    Analysis { diagnostics: vec![diagnostic], ..Analysis::default() }
}
