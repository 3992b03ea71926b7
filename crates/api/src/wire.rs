//! What goes over the wire, apart from the domain's own types, so that neither binds the other.

use quire_domain::{Cell, CellStatus, CellType, Notebook, NotebookId, Output, Revision, ShownConnection, Timestamp};
use quire_service::{ChangedCell, Edited, Published};
use quire_storage::{Damaged, Summary};
use serde::de::{Deserializer, Error as _, IntoDeserializer as _};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};
use utoipa::{IntoParams, ToSchema};

use crate::openapi::{CellStatusName, CellTypeName, OkName, SortName};

/// Another name for a notebook, without the blanks around it; blank or null means none.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewName, example = json!({"name": "Sales"}))]
pub(crate) struct NameIn {
    #[schema(required, max_length = 255, pattern = r"^[^\u0000]*$")]
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(crate) name: Option<String>,
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
}

/// Another connection string; the empty one and null mean none.
// A secret: no `Debug`.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewConnection, example = json!({"connection_string": "postgresql://reader@db.example/sales"}))]
pub(crate) struct ConnectionIn {
    /// As it was shown, with the password masked, it changes nothing.
    #[schema(required, max_length = 2_048, pattern = r"^[^\u0000]*$")]
    #[serde(deserialize_with = "secret")]
    pub(crate) connection_string: Option<String>,
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
}

/// A text or null; the error does not repeat what is there, as those of `serde_json` do with numbers.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text)),
        _ => Err(D::Error::custom("it must be a string or null")),
    }
}

/// A new cell.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewCell, example = json!({"type": "python", "code": "total = price * 3"}))]
pub(crate) struct CellIn {
    #[schema(value_type = CellTypeName)]
    #[serde(deserialize_with = "cell_type")]
    pub(crate) r#type: CellType,
    /// At most 262,144 bytes of UTF-8; empty when it is absent.
    #[schema(max_length = 262_144)]
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// The cell that it goes behind; to the end when this is absent, null or empty.
    #[serde(default)]
    pub(crate) after_cell_id: Option<String>,
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
}

/// By way of a text: of an enum, `serde_json` says that anything but a text is no JSON.
fn cell_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CellType, D::Error> {
    CellType::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// Other code for a cell.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewCode, example = json!({"code": "price = 5"}))]
pub(crate) struct CodeIn {
    /// At most 262,144 bytes of UTF-8; may be empty.
    #[schema(max_length = 262_144)]
    pub(crate) code: String,
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    /// Lets the change through when the cell itself is as it was at the revision that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// Another place for a cell: behind another one, or with null before all.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewPlace, example = json!({"after_cell_id": null}))]
pub(crate) struct MoveIn {
    /// The cell that it goes behind; null for the beginning.
    #[schema(required)]
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(crate) after_cell_id: Option<String>,
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    /// Lets the change through when the cell itself is as it was at the revision that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// Another type for a cell.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewType, example = json!({"type": "sql"}))]
pub(crate) struct TypeIn {
    #[schema(value_type = CellTypeName)]
    #[serde(deserialize_with = "cell_type")]
    pub(crate) r#type: CellType,
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    /// Lets the change through when the cell itself is as it was at the revision that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// What somebody who deletes a cell may say, or leave out with the whole body.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = Deletion, example = json!({}))]
pub(crate) struct DeleteIn {
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    /// Lets the change through when the cell itself is as it was at the revision that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// What somebody who deletes a notebook may say, or leave out with the whole body.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = NotebookDeletion, example = json!({}))]
pub(crate) struct DeleteNotebookIn {
    /// The revision that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
}

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageIn {
    /// How many notebooks at most; without it, and without `cursor`, all of them.
    #[param(minimum = 1, nullable = false)]
    pub(crate) limit: Option<usize>,
    /// Where the part begins: the `next_cursor` of the part before it, in the same order.
    #[param(min_length = 1, nullable = false)]
    pub(crate) cursor: Option<String>,
    /// In which order, with `-` for the reverse; the oldest first without it.
    #[param(value_type = SortName, required = false, nullable = false)]
    pub(crate) sort: Option<String>,
}

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
    cells: List<&'a Notebook>,
}

impl<'a> NotebookOut<'a> {
    pub(crate) fn new(Published { notebook, connection, seq, .. }: &'a Published) -> Self {
        Self {
            id: notebook.id.as_str(),
            name: notebook.name.as_deref(),
            db_conn_string: connection.as_ref().map(ShownConnection::as_str),
            revision: notebook.revision,
            seq: seq.to_string(),
            created_at: notebook.created_at,
            updated_at: notebook.updated_at,
            cells: List(notebook),
        }
    }
}

impl Serialize for List<&Notebook> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.cells.iter().map(|cell| CellOut::new(self.0, cell)))
    }
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
}

impl<'a> CellOut<'a> {
    pub(crate) fn new(notebook: &Notebook, cell: &'a Cell) -> Self {
        let (status, error) = notebook.shown_status(cell);
        Self {
            id: cell.id.as_str(),
            r#type: cell.cell_type,
            code: &cell.code,
            status,
            stdout: &cell.results.stdout,
            outputs: List(&cell.results.outputs),
            error,
            reads: Reads(cell),
            writes: Writes(cell),
            revision: cell.revision,
        }
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
