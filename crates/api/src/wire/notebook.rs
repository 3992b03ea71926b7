//! A notebook with its cells.

use quire_domain::{
    Cell, CellStatus, CellType, CycleTexts, Diagnostic, Notebook, Output, Revision, Severity, ShownConnection,
    Timestamp,
};
use quire_service::{NotebookView, Published};
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
    /// `true` if a run of a cell also runs the cells that depend on it; else those turn stale.
    reactive: bool,
    /// The number of the last edit.
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// The position from which a WebSocket can resume, to receive all events after this response.
    seq: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// `true` while the database is away, so that another server may have changed the notebook since; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    stale: bool,
    #[schema(value_type = Vec<CellOut>, max_items = 10_000)]
    cells: CellsOut<'a>,
}

impl<'a> NotebookOut<'a> {
    pub(crate) fn new(view: &'a NotebookView) -> Self {
        Self { cells: CellsOut(Some(&view.notebook)), ..Self::without_cells(view) }
    }

    /// Makes the same with an empty list of cells, which is the last field.
    pub(crate) fn without_cells(view: &'a NotebookView) -> Self {
        let Published { notebook, connection, seq, .. } = &*view.published;
        Self {
            id: notebook.id.as_str(),
            name: notebook.name.as_deref(),
            db_conn_string: connection.as_ref().map(ShownConnection::as_str),
            reactive: notebook.reactive,
            revision: notebook.revision,
            seq: seq.to_string(),
            created_at: notebook.created_at,
            updated_at: notebook.updated_at,
            stale: view.is_stale,
            cells: CellsOut(None),
        }
    }
}

/// The cells of a notebook, or an empty list.
struct CellsOut<'a>(Option<&'a Notebook>);

impl Serialize for CellsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(notebook) = self.0 else { return serializer.collect_seq(std::iter::empty::<CellOut<'_>>()) };
        let texts = notebook.cycle_texts();
        serializer.collect_seq(notebook.cells.iter().map(|cell| CellOut::new(notebook, cell, &texts)))
    }
}

/// Estimates the bytes of a cell as JSON.
pub(crate) fn cell_size(cell: &Cell) -> usize {
    let text = |text: &str| text.len() * 9 / 8;
    let outputs = cell.results.outputs.iter();
    let outputs: usize = outputs.map(|output| 64 + output.data.as_str().len() + output.metadata.as_str().len()).sum();
    let names: usize = cell.reads().chain(cell.writes()).map(|name| name.len() + 3).sum();
    384 + text(&cell.code) + text(&cell.results.stdout) + outputs + names
}

/// A cell as clients show it.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Cell)]
pub(crate) struct CellOut<'a> {
    id: &'a str,
    #[schema(value_type = CellTypeName)]
    r#type: CellType,
    code: &'a str,
    #[schema(value_type = CellStatusName)]
    status: CellStatus,
    /// The text that the last run printed.
    stdout: &'a str,
    #[schema(value_type = Vec<OutputOut>)]
    outputs: List<&'a [Output]>,
    /// The reason of the status `error`; null otherwise.
    #[schema(required)]
    error: Option<String>,
    /// The reason of the status `blocked`; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    blocked: Option<&'a str>,
    /// `true` if a run could give other results: the cell has never run, or anything that a run computes from has changed since, in this
    /// cell or in one that it depends on.
    stale: bool,
    /// The time at which the last run began; null if the cell has not run.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// The time at which the last run ended; null if it goes on, or the cell has not run.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// The names that the cell reads from other cells.
    #[schema(value_type = Vec<String>)]
    reads: Reads<'a>,
    /// The names that the cell defines for other cells.
    #[schema(value_type = Vec<String>)]
    writes: Writes<'a>,
    /// The revision of the last edit of its code, type or place.
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// Errors and warnings on the code, in the order of their positions; absent when there are none.
    #[serde(skip_serializing_if = "Diagnostics::is_empty")]
    #[schema(value_type = Vec<DiagnosticOut>, required = false, max_items = 50)]
    diagnostics: Diagnostics<'a>,
}

impl<'a> CellOut<'a> {
    /// `texts` has the text of the cell's cycle, if the cell is on one.
    pub(crate) fn new(notebook: &Notebook, cell: &'a Cell, texts: &CycleTexts) -> Self {
        Self {
            id: cell.id.as_str(),
            r#type: cell.cell_type,
            code: &cell.code,
            status: notebook.shown_status(cell),
            stdout: &cell.results.stdout,
            outputs: List(&cell.results.outputs),
            error: notebook.shown_error(cell, texts),
            blocked: cell.results.error.as_deref().filter(|_| cell.results.status == CellStatus::Blocked),
            stale: cell.is_stale(),
            started_at: cell.results.started_at,
            finished_at: cell.results.finished_at,
            reads: Reads(cell),
            writes: Writes(cell),
            revision: cell.revision,
            diagnostics: Diagnostics(cell.diagnostics()),
        }
    }
}

/// An error or a warning at a position of a cell's code.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = CellDiagnostic)]
pub(crate) struct DiagnosticOut<'a> {
    #[schema(value_type = SeverityName)]
    severity: &'static str,
    message: &'a str,
    /// The line, from 1.
    #[schema(minimum = 1)]
    line: u32,
    /// The column in characters, from 1.
    #[schema(minimum = 1)]
    column: u32,
}

/// The analysis' errors and warnings on a cell's code.
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
    /// The value in this MIME type.
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
