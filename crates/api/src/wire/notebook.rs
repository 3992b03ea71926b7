//! What answers and messages say.

use quire_domain::{
    Cell, CellStatus, CellType, CycleTexts, Diagnostic, Notebook, NotebookId, Output, Revision, Severity,
    ShownConnection, Timestamp,
};
use quire_service::{ChangedCell, Edited, Published};
use quire_storage::{Damaged, Summary};
use serde::Serialize as DeriveSerialize;
use serde::ser::{Serialize, Serializer};
use utoipa::ToSchema;

use super::names::{CellStatusName, CellTypeName, OkName, SeverityName};

/// What a successful change says.
const OK: &str = "ok";

/// Done.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Done)]
pub(crate) struct DoneOut {
    #[schema(value_type = OkName)]
    status: &'static str,
}

impl DoneOut {
    pub(crate) fn new() -> Self {
        Self { status: OK }
    }
}

/// Edited, and which revision that made.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Edited)]
pub(crate) struct EditedOut {
    #[schema(value_type = OkName)]
    status: &'static str,
    /// The notebook's revision after the edit.
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
}

impl EditedOut {
    pub(crate) fn new(edited: &Edited) -> Self {
        Self { status: OK, revision: edited.revision }
    }
}

/// Renamed, and to what.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Renamed)]
pub(crate) struct RenamedOut<'a> {
    #[schema(value_type = OkName)]
    status: &'static str,
    /// The name as it is now; null for none.
    #[schema(required)]
    name: Option<&'a str>,
}

impl<'a> RenamedOut<'a> {
    pub(crate) fn new(name: Option<&'a str>) -> Self {
        Self { status: OK, name }
    }
}

/// A new notebook.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = CreatedNotebook)]
pub(crate) struct CreatedNotebookOut<'a> {
    pub(crate) notebook_id: &'a str,
}

/// A copy of a notebook.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Duplicated)]
pub(crate) struct DuplicatedOut<'a> {
    /// The copy's id.
    pub(crate) notebook_id: &'a str,
    pub(crate) name: &'a str,
    /// Whether the copy connects to what the original does.
    pub(crate) has_connection: bool,
}

/// A new cell.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = CreatedCell)]
pub(crate) struct CreatedCellOut<'a> {
    pub(crate) cell_id: &'a str,
}

/// A list of notebooks.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = NotebookList)]
pub(crate) struct ListOut<'a> {
    #[schema(value_type = Vec<SummaryOut>)]
    notebooks: List<&'a [Summary]>,
    /// Where the next part begins; null when this was the last, absent when the whole list was asked for.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<NextOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// What cannot be read and is, or may be, yours; absent when there is nothing.
    #[schema(value_type = Vec<DamagedOut>, required = false)]
    damaged: Option<List<&'a [Damaged]>>,
}

impl<'a> ListOut<'a> {
    /// `next` is where the next part begins, if a part was asked for.
    pub(crate) fn new(notebooks: &'a [Summary], damaged: &'a [Damaged], next: Option<NextOut>) -> Self {
        let damaged = (!damaged.is_empty()).then_some(List(damaged));
        Self { notebooks: List(notebooks), next_cursor: next, damaged }
    }
}

/// Where the next part begins; null when this was the last.
#[derive(DeriveSerialize)]
pub(crate) struct NextOut(Option<String>);

impl NextOut {
    pub(crate) fn new(next: Option<&impl ToString>) -> Self {
        Self(next.map(ToString::to_string))
    }
}

/// Domain values, serialised one by one without being collected first.
pub(crate) struct List<T>(pub(crate) T);

/// A notebook in a list.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = NotebookSummary)]
pub(crate) struct SummaryOut<'a> {
    id: &'a str,
    /// The id where there is no name.
    name: &'a str,
}

impl Serialize for List<&[Summary]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|summary| {
            let id = summary.id.as_str();
            SummaryOut { id, name: summary.name.as_deref().unwrap_or(id) }
        }))
    }
}

/// A cell that is not as it was.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = ChangedCell)]
pub(crate) struct ChangedOut<'a> {
    cell_id: &'a str,
    /// The revision of its last change.
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// Whether it is gone.
    deleted: bool,
}

impl Serialize for List<&[ChangedCell]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|ChangedCell { id, revision, deleted }| ChangedOut {
            cell_id: id.as_str(),
            revision: *revision,
            deleted: *deleted,
        }))
    }
}

/// Something stored that cannot be read as a notebook.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = DamagedNotebook)]
pub(crate) struct DamagedOut<'a> {
    /// Where it is: a file's name.
    file: &'a str,
    /// The notebook that it is or seems to be; null when that cannot be told.
    #[schema(required)]
    id: Option<&'a str>,
    /// What is wrong, and where.
    detail: &'a str,
}

impl Serialize for List<&[Damaged]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|Damaged { place, id, reason }| DamagedOut {
            file: place,
            id: id.as_ref().map(NotebookId::as_str),
            detail: reason,
        }))
    }
}

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
