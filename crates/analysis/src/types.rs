//! Result of the analysis of one cell.

use serde::{Deserialize, Serialize};

/// Language of a cell's code; on the wire and in files `"python"` or `"sql"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellType {
    /// Python, with `IPython`'s magics and shell lines.
    Python,
    /// SQL in `PostgreSQL`'s dialect, with `{name}` placeholders.
    Sql,
}

impl CellType {
    /// Returns the name in files, tables and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Sql => "sql",
        }
    }
}

/// A name that a cell takes from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The name, NFKC-normalised.
    pub name: String,
    /// `true` if every load of the name happens only when something is called or inspected (function bodies,
    /// annotations), and none while the cell itself runs.
    pub deferred: bool,
}

/// Severity of a [`Diagnostic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The code cannot run.
    Error,
    /// The code can run; the diagnostic is a hint.
    Warning,
}

/// A message about a place in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Severity of the diagnostic.
    pub severity: Severity,
    /// Message of one sentence, without a full stop.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The byte offset in the code as given, from 0.
    pub offset: usize,
}

/// Names that one cell reads and writes. All lists are sorted and hold no name twice, so equal analyses are equal
/// values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// Names the cell may have to get from other cells; built-ins are in [`Self::builtins_read`] instead.
    pub reads: Vec<Read>,
    /// Built-ins the cell reads, which matter if another cell writes a name such as `list` or `input`.
    pub builtins_read: Vec<Read>,
    /// Names the cell binds at module level, and names that its functions bind through `global`.
    pub writes: Vec<String>,
    /// Names the cell deletes at module level.
    pub deletes: Vec<String>,
    /// SQL: tables the cell reads, as `schema.table`.
    pub tables_read: Vec<String>,
    /// SQL: tables the cell changes or defines, as `schema.table`.
    pub tables_written: Vec<String>,
    /// SQL: `true` if the cell changes data or definitions, even if the tables are unknown.
    pub changes_data: bool,
    /// `true` if the cell has `from m import *`, so that it may write names that are not listed.
    pub star: bool,
    /// `true` if the cell uses `exec`, `eval`, `globals()` and the like, so that it may access names that are not
    /// listed.
    pub dynamic: bool,
    /// Errors and hints, in order of position.
    pub diagnostics: Vec<Diagnostic>,
}

impl Analysis {
    /// Returns the first error, if the code cannot run; the lists are then best effort.
    #[must_use]
    pub fn error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|d| d.severity == Severity::Error)
    }

    /// Returns the number of names and tables in all lists, which [`limits::NAMES`](crate::limits::NAMES) bounds.
    #[must_use]
    pub fn names(&self) -> usize {
        self.name_lists().into_iter().map(<[String]>::len).sum::<usize>() + self.reads.len() + self.builtins_read.len()
    }

    /// Returns the approximate heap size of the analysis in bytes, without the allocator's own overhead.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let names = |names: &[String]| names.iter().map(|name| size_of::<String>() + name.capacity()).sum::<usize>();
        let reads = |reads: &[Read]| reads.iter().map(|read| size_of::<Read>() + read.name.capacity()).sum::<usize>();
        let diagnostics = self.diagnostics.iter().map(|found| size_of::<Diagnostic>() + found.message.capacity());
        self.name_lists().into_iter().map(names).sum::<usize>()
            + reads(&self.reads)
            + reads(&self.builtins_read)
            + diagnostics.sum::<usize>()
    }

    fn name_lists(&self) -> [&[String]; 4] {
        [&self.writes, &self.deletes, &self.tables_read, &self.tables_written]
    }
}
