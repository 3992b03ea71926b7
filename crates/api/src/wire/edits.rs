//! Responses to changes.

use quire_domain::Revision;
use quire_service::Edited;
use serde::Serialize;
use utoipa::ToSchema;

use super::names::OkName;

/// The `status` of a successful change.
const OK: &str = "ok";

/// A change was made.
#[derive(Serialize, ToSchema)]
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

/// An edit was made.
#[derive(Serialize, ToSchema)]
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

/// A notebook was renamed.
#[derive(Serialize, ToSchema)]
#[schema(as = Renamed)]
pub(crate) struct RenamedOut<'a> {
    #[schema(value_type = OkName)]
    status: &'static str,
    /// The present name; null for none.
    #[schema(required)]
    name: Option<&'a str>,
}

impl<'a> RenamedOut<'a> {
    pub(crate) fn new(name: Option<&'a str>) -> Self {
        Self { status: OK, name }
    }
}

/// A new notebook.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedNotebook)]
pub(crate) struct CreatedNotebookOut<'a> {
    pub(crate) notebook_id: &'a str,
}

/// A copy of a notebook.
#[derive(Serialize, ToSchema)]
#[schema(as = Duplicated)]
pub(crate) struct DuplicatedOut<'a> {
    /// The copy's id.
    pub(crate) notebook_id: &'a str,
    pub(crate) name: &'a str,
    /// `true` if the copy has the original's connection string.
    pub(crate) has_connection: bool,
}

/// A new cell.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedCell)]
pub(crate) struct CreatedCellOut<'a> {
    pub(crate) cell_id: &'a str,
}
