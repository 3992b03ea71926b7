//! Notebooks as files.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::names::FormatName;

/// The format of an export.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportIn {
    /// The format of the file; `json` by default.
    #[param(value_type = FormatName, required = false, nullable = false)]
    pub(crate) format: Option<String>,
}

/// The format of an imported file, and a name for it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportIn {
    /// The format of the file; by default it is detected from the content.
    #[param(value_type = FormatName, required = false, nullable = false)]
    pub(crate) format: Option<String>,
    /// The notebook's name if the file has none.
    #[param(max_length = 255, pattern = r"^[^\u0000]*$", nullable = false)]
    pub(crate) name: Option<String>,
}

/// A notebook that was created from a file.
#[derive(Serialize, ToSchema)]
#[schema(as = Imported)]
pub(crate) struct ImportedOut<'a> {
    /// A new id; that of the file is ignored.
    pub(crate) notebook_id: &'a str,
    #[schema(required)]
    pub(crate) name: Option<&'a str>,
    /// The number of its cells.
    pub(crate) cells: usize,
    /// Sentences for people on what differs from the file.
    pub(crate) notices: Vec<String>,
}
