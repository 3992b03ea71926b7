//! Limits of notebooks and their parts. A value beyond a limit is refused with the limit's name, never cut.

/// Bytes of a cell's source, in UTF-8.
pub const CELL_SOURCE_BYTES: usize = 256 * 1024;
/// Characters of a notebook's name.
pub const NAME_CHARS: usize = 255;
/// Characters of a connection string.
pub const CONNECTION_CHARS: usize = 2_048;
/// Characters of a connection string when it is sealed: four bytes for each of [`CONNECTION_CHARS`], with nonce and tag in
/// base 64, and the key's id.
pub const SEALED_CONNECTION_CHARS: usize = 11_264;
/// Characters of an output's MIME type.
pub const MIME_TYPE_CHARS: usize = 100;
/// Characters of a user's id.
pub const USER_ID_CHARS: usize = 255;
/// Characters of a notebook's or a cell's id.
pub const ID_CHARS: usize = 200;
/// Cells of a notebook.
pub const CELLS: usize = 10_000;
/// Bytes of all sources of a notebook together, in UTF-8: what a request's body can bring at once.
pub const NOTEBOOK_CODE_BYTES: usize = BODY_BYTES;
/// Names of one cell: beyond them, it gets a diagnostic in place of its names.
pub use quire_analysis::limits::NAMES as CELL_NAMES;
/// Names that a notebook's cells read, write and delete together, each counted once for each cell that does; so the graph has
/// no more edges.
pub const NOTEBOOK_NAMES: usize = 200_000;
/// Levels of nesting in a JSON value.
pub const JSON_DEPTH: usize = 128;
/// Bytes of all outputs of a cell, data and metadata as JSON text.
pub const OUTPUTS_BYTES: usize = 8_000_000;
/// Bytes of a cell's standard output.
pub const STDOUT_BYTES: usize = 1_000_000;
/// Bytes of a request's body.
pub const BODY_BYTES: usize = 16 * 1024 * 1024;

/// A value beyond its limit, or with a character that cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The value exceeds its limit.
    #[error("{what} has {actual} {unit}, more than the {limit} allowed")]
    TooLarge {
        /// Name of the part that is too large, as a user calls it.
        what: &'static str,
        /// The unit that is counted.
        unit: &'static str,
        /// The limit.
        limit: usize,
        /// The actual number.
        actual: usize,
    },
    /// U+0000 where `PostgreSQL` cannot hold it.
    #[error("{what} contains the character NUL")]
    Nul {
        /// Name of the part that contains it.
        what: &'static str,
    },
}

/// Checks a number against its limit.
///
/// # Errors
/// [`Invalid::TooLarge`] when `actual` is more than `limit`.
pub fn at_most(what: &'static str, unit: &'static str, limit: usize, actual: usize) -> Result<(), Invalid> {
    if actual > limit { Err(Invalid::TooLarge { what, unit, limit, actual }) } else { Ok(()) }
}

/// Checks the bytes of all sources of a notebook together.
///
/// # Errors
/// [`Invalid::TooLarge`] when they are more than [`NOTEBOOK_CODE_BYTES`].
pub fn notebook_code(bytes: usize) -> Result<(), Invalid> {
    at_most("the notebook's code", "bytes", NOTEBOOK_CODE_BYTES, bytes)
}

/// Checks a short text: at most `limit` characters and no NUL.
///
/// # Errors
/// [`Invalid`] names the rule that does not hold.
pub fn short_text(what: &'static str, limit: usize, text: &str) -> Result<(), Invalid> {
    if text.contains('\0') {
        return Err(Invalid::Nul { what });
    }
    at_most(what, "characters", limit, text.chars().count())
}
