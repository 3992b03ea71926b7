//! Limits of the analysis of one cell: what goes beyond them gets a diagnostic instead of names or tables.

/// Names and tables of a cell: the sum of the lengths of all lists of an [`Analysis`](crate::Analysis) but the diagnostics,
/// so a name that is read and written counts twice.
pub const NAMES: usize = 10_000;
/// Bytes that names made by private name mangling (`__x` in a class `A` is `_A__x`) may have together, beyond the bytes of
/// the code. A long class name would otherwise be repeated for every name in it.
pub(crate) const MANGLED_BYTES: usize = 64 * 1024;
/// Levels of brackets, subqueries and operators in an SQL statement.
pub(crate) const SQL_DEPTH: usize = 100;
/// Tokens of an SQL statement on one path through its brackets, of which each may be a level of the syntax tree: `1+1+1` is
/// as deep as it is long. What a comma ends is not on the path of what follows it.
pub(crate) const SQL_PATH_TOKENS: usize = 20_000;
/// Steps of the SQL parser for each token of a statement. Statements that people write take at most 20.
pub(crate) const SQL_STEPS_PER_TOKEN: usize = 64;
/// Steps of the SQL parser that a statement may take however short it is.
pub(crate) const SQL_STEPS_BASE: usize = 1_000;
