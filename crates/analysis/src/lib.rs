//! From a cell's code to the names it reads and writes.
//!
//! [`analyse`] never fails: broken code gives [`Diagnostic`]s and the best answer that the parts that parse allow.

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
/// is proportional to the size of the code: microseconds for a typical cell, well under a second for 256 KiB of the worst
/// code, which [`Pool`] keeps out of the way of other cells.
#[must_use]
pub fn analyse(cell_type: CellType, code: &str) -> Analysis {
    // Nothing is shared with the analysis but the code, which it only reads.
    let analysis = catch_unwind(|| match cell_type {
        CellType::Python => python::analyse(code),
        CellType::Sql => sql::analyse(code),
    });
    analysis.unwrap_or_else(|_| failed())
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
