//! What goes over the wire, apart from the domain's own types, so that neither binds the other.

use quire_domain::{Cell, CellStatus, CellType, Notebook, NotebookId, Output, Revision, ShownConnection, Timestamp};
use quire_service::{ChangedCell, Edited, Published};
use quire_storage::{Damaged, Summary};
use serde::de::{Deserializer, Error as _, IntoDeserializer as _};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};

/// Another name for a notebook.
#[derive(Deserialize)]
pub(crate) struct NameIn {
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
}

/// Another connection string; the empty one and null mean none. A secret: no `Debug`.
#[derive(Deserialize)]
pub(crate) struct ConnectionIn {
    #[serde(deserialize_with = "secret")]
    pub(crate) connection_string: Option<String>,
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

/// A new cell, empty unless it says otherwise; without `after_cell_id`, or with null or "" there, it goes to the end.
#[derive(Deserialize)]
pub(crate) struct CellIn {
    #[serde(deserialize_with = "cell_type")]
    pub(crate) r#type: CellType,
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) after_cell_id: Option<String>,
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
}

/// By way of a text: of an enum, `serde_json` says that anything but a text is no JSON.
fn cell_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CellType, D::Error> {
    CellType::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// Other code for a cell.
#[derive(Deserialize)]
pub(crate) struct CodeIn {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// Another place for a cell: behind another one, or with null before all.
#[derive(Deserialize)]
pub(crate) struct MoveIn {
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(crate) after_cell_id: Option<String>,
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// Another type for a cell.
#[derive(Deserialize)]
pub(crate) struct TypeIn {
    #[serde(deserialize_with = "cell_type")]
    pub(crate) r#type: CellType,
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// What somebody who deletes a cell may say, or leave out with the whole body.
#[derive(Default, Deserialize)]
pub(crate) struct DeleteIn {
    #[serde(default)]
    pub(crate) expected_revision: Option<i64>,
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// Which part of a list.
#[derive(Deserialize)]
pub(crate) struct PageIn {
    pub(crate) limit: Option<usize>,
    pub(crate) cursor: Option<String>,
    /// In which order; the oldest first without it.
    pub(crate) sort: Option<String>,
}

/// What a successful change says.
const OK: &str = "ok";

/// Done.
#[derive(DeriveSerialize)]
pub(crate) struct DoneOut {
    status: &'static str,
}

impl DoneOut {
    pub(crate) fn new() -> Self {
        Self { status: OK }
    }
}

/// Edited, and which revision that made.
#[derive(DeriveSerialize)]
pub(crate) struct EditedOut {
    status: &'static str,
    revision: Revision,
}

impl EditedOut {
    pub(crate) fn new(edited: &Edited) -> Self {
        Self { status: OK, revision: edited.revision }
    }
}

/// Renamed, and to what.
#[derive(DeriveSerialize)]
pub(crate) struct RenamedOut<'a> {
    status: &'static str,
    name: Option<&'a str>,
}

impl<'a> RenamedOut<'a> {
    pub(crate) fn new(name: Option<&'a str>) -> Self {
        Self { status: OK, name }
    }
}

/// A new notebook.
#[derive(DeriveSerialize)]
pub(crate) struct CreatedNotebookOut<'a> {
    pub(crate) notebook_id: &'a str,
}

/// A copy of a notebook.
#[derive(DeriveSerialize)]
pub(crate) struct DuplicatedOut<'a> {
    pub(crate) notebook_id: &'a str,
    pub(crate) name: &'a str,
    /// Whether the copy connects to what the original does.
    pub(crate) has_connection: bool,
}

/// A new cell.
#[derive(DeriveSerialize)]
pub(crate) struct CreatedCellOut<'a> {
    pub(crate) cell_id: &'a str,
}

/// A list of notebooks. `next_cursor` is there when a part was asked for, `damaged` when there is any.
#[derive(DeriveSerialize)]
pub(crate) struct ListOut<'a> {
    notebooks: List<&'a [Summary]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<NextOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
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

impl Serialize for List<&[Summary]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(DeriveSerialize)]
        struct SummaryOut<'a> {
            id: &'a str,
            name: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|summary| {
            let id = summary.id.as_str();
            SummaryOut { id, name: summary.name.as_deref().unwrap_or(id) }
        }))
    }
}

impl Serialize for List<&[ChangedCell]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(DeriveSerialize)]
        struct ChangedOut<'a> {
            cell_id: &'a str,
            revision: Revision,
            deleted: bool,
        }
        serializer.collect_seq(self.0.iter().map(|ChangedCell { id, revision, deleted }| ChangedOut {
            cell_id: id.as_str(),
            revision: *revision,
            deleted: *deleted,
        }))
    }
}

impl Serialize for List<&[Damaged]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(DeriveSerialize)]
        struct DamagedOut<'a> {
            file: &'a str,
            id: Option<&'a str>,
            detail: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|Damaged { place, id, reason }| DamagedOut {
            file: place,
            id: id.as_ref().map(NotebookId::as_str),
            detail: reason,
        }))
    }
}

/// A notebook with its cells.
#[derive(DeriveSerialize)]
pub(crate) struct NotebookOut<'a> {
    id: &'a str,
    name: Option<&'a str>,
    db_conn_string: Option<&'a str>,
    revision: Revision,
    seq: String,
    created_at: Timestamp,
    updated_at: Timestamp,
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
#[derive(DeriveSerialize)]
pub(crate) struct CellOut<'a> {
    id: &'a str,
    r#type: CellType,
    code: &'a str,
    status: CellStatus,
    stdout: &'a str,
    outputs: List<&'a [Output]>,
    error: Option<String>,
    reads: Reads<'a>,
    writes: Writes<'a>,
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
#[derive(DeriveSerialize)]
pub(crate) struct OutputOut<'a> {
    mime_type: &'a str,
    data: &'a quire_domain::Json,
    metadata: &'a quire_domain::Json,
}

impl<'a> OutputOut<'a> {
    pub(crate) fn new(Output { mime_type, data, metadata }: &'a Output) -> Self {
        Self { mime_type, data, metadata }
    }
}
