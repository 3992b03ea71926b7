//! From a cell's code to the names it reads and writes.
//!
//! [`analyse`] never fails: broken code gives [`Diagnostic`]s and the best answer that the parts that parse allow.

mod pool;
mod position;
mod python;
mod sql;
mod types;

pub use pool::Pool;
pub use types::{Analysis, CellType, Diagnostic, Read, Severity};

/// Says what a cell reads and writes.
///
/// Total: any text, of any nesting, on a thread with any ordinary stack (it takes more by itself), without a panic.
/// The time is proportional to the size of the code.
#[must_use]
pub fn analyse(cell_type: CellType, code: &str) -> Analysis {
    match cell_type {
        CellType::Python => python::analyse(code),
        CellType::Sql => sql::analyse(code),
    }
}
