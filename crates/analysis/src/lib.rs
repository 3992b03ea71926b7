//! From a cell's code to the names it reads and writes.
//!
//! [`analyse`] never fails: broken code gives [`Diagnostic`]s and the best answer that the parts that parse allow.
//! [`Pool`] runs it on threads of its own, so that hostile cells do not hold up others.
//!
//! # Python
//!
//! A read is a name that the cell may have to get from elsewhere: *eager* when the cell's own code loads it before it has
//! bound it, *deferred* when only functions, lambdas or annotations load it and the cell binds it nowhere. Branches count
//! as if they ran, in the order of the text. What the rules leave open is decided so:
//!
//! - A leading byte order mark is skipped; `\r\n` and a lone `\r` end lines. No-break spaces and the like are errors, as
//!   for Python, but hide no names.
//! - `del x` in the body of `except … as x` deletes what the handler has bound, and is in no list.
//! - `global x` and `del x` in a function is in [`deletes`](Analysis::deletes), as a store would be in `writes`.
//! - `IPython` 9 is the judge of its own syntax (`scripts/measure-analysis` compares): the indentation that all lines have,
//!   `>>> ` and `In [1]: ` are taken off, and a help line (`np.*load*?`) does nothing.
//! - `%time statement` and other magics that run Python on their line are followed into it; what `%timeit` binds is lost.
//!   `%%time`, `%%capture`, `%%prun` and `%%debug` are followed by an ordinary cell, `%%timeit` by one whose own bindings
//!   are lost, and after any other cell magic there is no Python. Names that magics take and give are reads and writes:
//!   `%store`, `%%R -i x -o y`, `%%bigquery df`, `%sql r <<`, `--out` and `--err` of `%%bash` and its like. `%run` and
//!   others whose names stand elsewhere set [`dynamic`](Analysis::dynamic). `{x}` and `$x` in a shell line are no reads.
//! - `exec`, `eval`, `globals` and `locals` set `dynamic` wherever they are mentioned; `vars`, `setattr` and `delattr` when
//!   they are called on anything but a local of a function.
//! - More than 1000 brackets within each other, or signs in a row, are an error without names: `CPython` takes 200.
//!
//! # SQL
//!
//! `{name}` outside strings, comments and quoted identifiers is a read, also where the name is a built-in of Python. The
//! soft keywords `match`, `case`, `type` and `_` are names. Tables are named `schema.table`; functions in `FROM`, files and
//! common table expressions are none. [`changes_data`](Analysis::changes_data) is set by every statement that is not known to
//! leave data and definitions alone; what the functions in a query do is not known. The tables in the body of a function or
//! a rule are reads of its definition. A statement that `sqlparser` does not
//! understand is a [`Severity::Warning`], because `PostgreSQL` may; its tables are missing.
//!
//! # Limits
//!
//! The work is bounded before it is done, so that no code costs more than its size allows. An SQL statement that is nested
//! too deeply, is one expression of too many tokens, or takes the parser too many steps has no tables; a cell with more than
//! [`limits::NAMES`] names has none. Each gives a warning, "too complex to analyse: …".

pub mod limits;
mod pool;
mod position;
mod python;
mod sql;
mod types;

use std::panic::catch_unwind;

pub use pool::Pool;
pub use types::{Analysis, CellType, Diagnostic, Read, Severity};

/// Says what a cell reads and writes.
///
/// Total: any text, of any nesting, on a thread with any ordinary stack (it takes more by itself), never panics. The time
/// is at most proportional to the size of the code: microseconds for a typical cell, seconds for 256 KiB of the worst SQL,
/// which [`Pool`] keeps out of the way of other cells.
///
/// ```
/// use quire_analysis::{CellType, analyse};
///
/// let analysis = analyse(CellType::Python, "total = price * 3");
/// assert_eq!((&*analysis.reads[0].name, &*analysis.writes[0]), ("price", "total"));
/// ```
#[must_use]
pub fn analyse(cell_type: CellType, code: &str) -> Analysis {
    // Nothing is shared with the analysis but the code, which it only reads.
    let analysis = catch_unwind(|| match cell_type {
        CellType::Python => python::analyse(code),
        CellType::Sql => sql::analyse(code),
    });
    let analysis = analysis.unwrap_or_else(|_| failed());
    if analysis.names() > limits::NAMES { too_many_names(analysis) } else { analysis }
}

/// The answer without names for a cell that has too many of them.
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

/// The answer when the analysis itself panicked, which would be a bug of ours or of a parser.
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
