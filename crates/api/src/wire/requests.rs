//! Bodies and queries of requests.

use quire_domain::CellType;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IntoDeserializer as _};
use utoipa::{IntoParams, ToSchema};

use super::names::{CellTypeName, SortName};

/// A state of a notebook: its revision, or the text of its `ETag`, which also distinguishes a notebook from a deleted one of the
/// same id.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "it must be a number, or the text of an ETag")]
pub(crate) enum ExpectedRevision {
    /// The `revision` of a response.
    Revision(i64),
    /// The value of the header with its quotes.
    ETag(String),
}

/// A new name for a notebook. Surrounding blanks are removed; blank or null means none.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewName, example = json!({"name": "Sales"}))]
pub(crate) struct NameIn {
    #[schema(required, max_length = 255, pattern = r"^[^\u0000]*$")]
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(crate) name: Option<String>,
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
}

/// How far runs go.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewReactive, example = json!({"reactive": false}))]
pub(crate) struct ReactiveIn {
    /// `true`: a run of a cell also runs the cells that depend on it; `false`: they turn stale, and are run when asked for.
    pub(crate) reactive: bool,
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
}

/// A new connection string; empty or null means none.
// It is a secret, so that it has no `Debug`.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewConnection, example = json!({"connection_string": "postgresql://reader@db.example/sales"}))]
pub(crate) struct ConnectionIn {
    /// The masked string, as it was shown, changes nothing; with another database name, it keeps the password.
    #[schema(required, max_length = 2_048, pattern = r"^[^\u0000]*$")]
    #[serde(deserialize_with = "secret")]
    pub(crate) connection_string: Option<String>,
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
}

/// Reads a string or null. The error does not repeat the value, as errors of `serde_json` do.
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
    /// The cell after which the new one is inserted; at the end if this is absent, null or empty.
    #[serde(default)]
    pub(crate) after_cell_id: Option<String>,
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
}

/// Reads a cell type from a string, because `serde_json` calls any other value of an enum malformed JSON.
fn cell_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CellType, D::Error> {
    CellType::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// New code for a cell.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewCode, example = json!({"code": "price = 5"}))]
pub(crate) struct CodeIn {
    /// At most 262,144 bytes of UTF-8; may be empty.
    #[schema(max_length = 262_144)]
    pub(crate) code: String,
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
    /// Accepts the change if the cell itself has not changed since the state that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// A new place for a cell: after another cell, or with null at the beginning.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewPlace, example = json!({"after_cell_id": null}))]
pub(crate) struct MoveIn {
    /// The cell after which it is placed; null for the beginning.
    #[schema(required)]
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub(crate) after_cell_id: Option<String>,
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
    /// Accepts the change if the cell itself has not changed since the state that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// A new type for a cell.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewType, example = json!({"type": "sql"}))]
pub(crate) struct TypeIn {
    #[schema(value_type = CellTypeName)]
    #[serde(deserialize_with = "cell_type")]
    pub(crate) r#type: CellType,
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
    /// Accepts the change if the cell itself has not changed since the state that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// Conditions for deleting a cell. The body is optional.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = Deletion, example = json!({}))]
pub(crate) struct DeleteIn {
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
    /// Accepts the change if the cell itself has not changed since the state that you know.
    #[serde(default)]
    pub(crate) merge: Option<bool>,
}

/// Conditions for deleting a notebook. The body is optional.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = NotebookDeletion, example = json!({}))]
pub(crate) struct DeleteNotebookIn {
    /// The state of the notebook as you know it. The change is refused if the notebook has another.
    #[serde(default)]
    pub(crate) expected_revision: Option<ExpectedRevision>,
}

/// A page of a list, and its order.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageIn {
    /// The maximum number of notebooks. Without it and without `cursor`, the list is complete.
    #[param(minimum = 1, nullable = false)]
    pub(crate) limit: Option<usize>,
    /// The `next_cursor` of the page before, in the same order.
    #[param(min_length = 1, nullable = false)]
    pub(crate) cursor: Option<String>,
    /// The order; `-` reverses it. The default is `created`, the oldest first.
    #[param(value_type = SortName, required = false, nullable = false)]
    pub(crate) sort: Option<String>,
}
