//! What requests say.

use quire_domain::CellType;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IntoDeserializer as _};
use utoipa::{IntoParams, ToSchema};

use super::names::{CellTypeName, SortName};

/// A state of a notebook: its revision, or the text of its `ETag`, which also tells a notebook from one that was deleted and
/// made again under the same id.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "it must be a number, or the text of an ETag")]
pub(crate) enum ExpectedRevision {
    /// The number that answers call `revision`.
    Revision(i64),
    /// The header as it came, with its quotes.
    ETag(String),
}

/// Another name for a notebook, without the blanks around it; blank or null means none.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewName, example = json!({"name": "Sales"}))]
pub(crate) struct NameIn {
    #[schema(required, max_length = 255, pattern = r"^[^\u0000]*$")]
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(crate) name: Option<String>,
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
}

/// Another connection string; the empty one and null mean none.
// A secret: no `Debug`.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewConnection, example = json!({"connection_string": "postgresql://reader@db.example/sales"}))]
pub(crate) struct ConnectionIn {
    /// As it was shown, with the password masked, it changes nothing; with another database, it keeps the password.
    #[schema(required, max_length = 2_048, pattern = r"^[^\u0000]*$")]
    #[serde(deserialize_with = "secret")]
    pub(crate) connection_string: Option<String>,
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
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
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
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
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
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
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
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
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
    /// Lets the change through when the cell itself is as it was at the revision that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// What somebody who deletes a cell may say, or leave out with the whole body.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = Deletion, example = json!({}))]
pub(crate) struct DeleteIn {
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
    /// Lets the change through when the cell itself is as it was at the revision that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// What somebody who deletes a notebook may say, or leave out with the whole body.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = NotebookDeletion, example = json!({}))]
pub(crate) struct DeleteNotebookIn {
    /// The state that you know; the change is refused when the notebook is at another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
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
