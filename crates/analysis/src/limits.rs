//! Limits of the analysis of one cell. Code beyond them gets a diagnostic instead of names or tables.

/// Maximum number of names and tables of a cell: the sum of the lengths of all lists of an
/// [`Analysis`](crate::Analysis) except the diagnostics, so a name that is read and written counts twice.
pub const NAMES: usize = 10_000;
/// Maximum bytes of all names made by private name mangling (`__x` in a class `A` is `_A__x`), beyond the bytes of the
/// code. A long class name would otherwise be repeated for every name in the class.
pub(crate) const MANGLED_BYTES: usize = 64 * 1024;
/// Maximum number of nested brackets, subqueries and operators in an SQL statement.
pub(crate) const SQL_DEPTH: usize = 100;
/// Maximum number of tokens of an SQL statement on one path through its brackets. Each token may be a level of the
/// syntax tree: `1+1+1` is as deep as it is long. Tokens before a comma are not on the path of those after it.
pub(crate) const SQL_PATH_TOKENS: usize = 20_000;
/// Maximum steps of the SQL parser for each token of a statement. Ordinary statements take at most 20.
pub(crate) const SQL_STEPS_PER_TOKEN: usize = 64;
/// Steps that the SQL parser may take for any statement, however short.
pub(crate) const SQL_STEPS_BASE: usize = 1_000;
