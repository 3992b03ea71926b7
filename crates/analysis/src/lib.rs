//! From a cell's code to the names it reads and writes.
//!
//! [`analyse`] never fails: broken code gives [`Diagnostic`]s and the best answer that the parts that parse allow.

mod types;

pub use types::{Analysis, CellType, Diagnostic, Read, Severity};
