//! What the analysis of one cell says.

use serde::{Deserialize, Serialize};

/// The language of a cell's code; on the wire and in files `"python"` or `"sql"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellType {
    /// Python, with `IPython`'s magics and shell lines.
    Python,
    /// SQL as `PostgreSQL` speaks it, with `{name}` placeholders.
    Sql,
}

impl CellType {
    /// The name in files, tables and on the wire.
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
    /// Whether every load of the name happens only when something is called or inspected (function bodies,
    /// annotations), none while the cell itself runs.
    pub deferred: bool,
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The code cannot run as it stands.
    Error,
    /// The code can run; something is worth knowing.
    Warning,
}

/// Something to say about a place in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// One sentence without a full stop.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The byte offset in the code as given, from 0.
    pub offset: usize,
}

/// What one cell reads and writes. All lists are sorted and hold no name twice, so equal analyses are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// Names the cell may have to get from other cells; built-ins are in [`Self::builtins_read`] instead.
    pub reads: Vec<Read>,
    /// Built-ins the cell reads, which matter when another cell writes a name such as `list` or `input`.
    pub builtins_read: Vec<Read>,
    /// Names the cell binds at module level, and what its functions bind through `global`.
    pub writes: Vec<String>,
    /// Names the cell deletes at module level.
    pub deletes: Vec<String>,
    /// SQL: tables the cell reads, as `schema.table`.
    pub tables_read: Vec<String>,
    /// SQL: tables the cell changes or defines, as `schema.table`.
    pub tables_written: Vec<String>,
    /// SQL: whether the cell changes data or definitions, known tables or not.
    pub changes_data: bool,
    /// Whether the cell has `from m import *`, so that it may write names not listed.
    pub star: bool,
    /// Whether the cell uses `exec`, `eval`, `globals()` and the like, so that it may touch names not listed.
    pub dynamic: bool,
    /// What is wrong or worth knowing, in order of position.
    pub diagnostics: Vec<Diagnostic>,
}

impl Analysis {
    /// The first error, when the code cannot run as it stands; the lists are then best effort.
    #[must_use]
    pub fn error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|d| d.severity == Severity::Error)
    }

    /// The number of names and tables in all lists, which [`limits::NAMES`](crate::limits::NAMES) bounds.
    #[must_use]
    pub fn names(&self) -> usize {
        self.name_lists().into_iter().map(<[String]>::len).sum::<usize>() + self.reads.len() + self.builtins_read.len()
    }

    /// The bytes on the heap that the analysis holds, about: what the allocator adds is not counted.
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
