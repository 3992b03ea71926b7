//! A notebook with its cells.

use quire_domain::{
    Cell, CellStatus, CellType, CycleTexts, Diagnostic, Notebook, Output, Revision, Severity, ShownConnection,
    Timestamp,
};
use quire_service::Published;
use serde::Serialize as DeriveSerialize;
use serde::ser::{Serialize, Serializer};
use utoipa::ToSchema;

use super::list::List;
use super::names::{CellStatusName, CellTypeName, SeverityName};

/// A notebook with its cells.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Notebook)]
pub(crate) struct NotebookOut<'a> {
    id: &'a str,
    #[schema(required)]
    name: Option<&'a str>,
    /// The connection string with its password masked; null for none.
    #[schema(required)]
    db_conn_string: Option<&'a str>,
    /// The number of the last edit.
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// What a WebSocket resumes from, to be told everything after this answer.
    seq: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Vec<CellOut>, max_items = 10_000)]
    cells: CellsOut<'a>,
}

impl<'a> NotebookOut<'a> {
    pub(crate) fn new(published: &'a Published) -> Self {
        Self { cells: CellsOut(Some(&published.notebook)), ..Self::without_cells(published) }
    }

    /// The same with an empty list of cells, which comes last.
    pub(crate) fn without_cells(Published { notebook, connection, seq, .. }: &'a Published) -> Self {
        Self {
            id: notebook.id.as_str(),
            name: notebook.name.as_deref(),
            db_conn_string: connection.as_ref().map(ShownConnection::as_str),
            revision: notebook.revision,
            seq: seq.to_string(),
            created_at: notebook.created_at,
            updated_at: notebook.updated_at,
            cells: CellsOut(None),
        }
    }
}

/// The cells of a notebook, or none.
struct CellsOut<'a>(Option<&'a Notebook>);

impl Serialize for CellsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(notebook) = self.0 else { return serializer.collect_seq(std::iter::empty::<CellOut<'_>>()) };
        let texts = notebook.cycle_texts();
        serializer.collect_seq(notebook.cells.iter().map(|cell| CellOut::new(notebook, cell, &texts)))
    }
}

/// Bytes of a cell as JSON, about.
pub(crate) fn cell_size(cell: &Cell) -> usize {
    let text = |text: &str| text.len() * 9 / 8;
    let outputs = cell.results.outputs.iter();
    let outputs: usize = outputs.map(|output| 64 + output.data.as_str().len() + output.metadata.as_str().len()).sum();
    let names: usize = cell.reads().chain(cell.writes()).map(|name| name.len() + 3).sum();
    256 + text(&cell.code) + text(&cell.results.stdout) + outputs + names
}

/// A cell as the client shows it.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Cell)]
pub(crate) struct CellOut<'a> {
    id: &'a str,
    #[schema(value_type = CellTypeName)]
    r#type: CellType,
    code: &'a str,
    #[schema(value_type = CellStatusName)]
    status: CellStatus,
    /// What the last run printed.
    stdout: &'a str,
    #[schema(value_type = Vec<OutputOut>)]
    outputs: List<&'a [Output]>,
    /// Why the status is `error`.
    #[schema(required)]
    error: Option<String>,
    /// The names that it takes from other cells.
    #[schema(value_type = Vec<String>)]
    reads: Reads<'a>,
    /// The names that it gives to other cells.
    #[schema(value_type = Vec<String>)]
    writes: Writes<'a>,
    /// The revision of the last edit of its code, type or place.
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// What is wrong with the code or not known of it, in order of place; absent when there is nothing to say.
    #[serde(skip_serializing_if = "Diagnostics::is_empty")]
    #[schema(value_type = Vec<DiagnosticOut>, required = false, max_items = 50)]
    diagnostics: Diagnostics<'a>,
}

impl<'a> CellOut<'a> {
    /// `texts` hold that of the cycle that the cell is on, if it is on one.
    pub(crate) fn new(notebook: &Notebook, cell: &'a Cell, texts: &CycleTexts) -> Self {
        Self {
            id: cell.id.as_str(),
            r#type: cell.cell_type,
            code: &cell.code,
            status: notebook.shown_status(cell),
            stdout: &cell.results.stdout,
            outputs: List(&cell.results.outputs),
            error: notebook.shown_error(cell, texts),
            reads: Reads(cell),
            writes: Writes(cell),
            revision: cell.revision,
            diagnostics: Diagnostics(cell.diagnostics()),
        }
    }
}

/// Something to say about a place in a cell's code.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = CellDiagnostic)]
pub(crate) struct DiagnosticOut<'a> {
    #[schema(value_type = SeverityName)]
    severity: &'static str,
    message: &'a str,
    /// From 1.
    #[schema(minimum = 1)]
    line: u32,
    /// In characters, from 1.
    #[schema(minimum = 1)]
    column: u32,
}

/// What the analysis says about a cell's code.
struct Diagnostics<'a>(&'a [Diagnostic]);

impl Diagnostics<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Diagnostics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|Diagnostic { severity, message, line, column, .. }| DiagnosticOut {
            severity: match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message,
            line: *line,
            column: *column,
        }))
    }
}

/// The names that a cell reads.
pub(crate) struct Reads<'a>(pub(crate) &'a Cell);

impl Serialize for Reads<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.reads())
    }
}

/// The names that a cell writes.
pub(crate) struct Writes<'a>(pub(crate) &'a Cell);

impl Serialize for Writes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.writes())
    }
}

impl Serialize for List<&[Output]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(OutputOut::new))
    }
}

/// One output of a cell.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Output)]
pub(crate) struct OutputOut<'a> {
    #[schema(max_length = 100)]
    mime_type: &'a str,
    /// The value in that representation.
    #[schema(value_type = serde_json::Value)]
    data: &'a quire_domain::Json,
    #[schema(value_type = Object)]
    metadata: &'a quire_domain::Json,
}

impl<'a> OutputOut<'a> {
    pub(crate) fn new(Output { mime_type, data, metadata }: &'a Output) -> Self {
        Self { mime_type, data, metadata }
    }
}
