//! Notebooks as files.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::names::FormatName;

/// Which format to write.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportIn {
    /// `json` when absent.
    #[param(value_type = FormatName, required = false, nullable = false)]
    pub(crate) format: Option<String>,
}

/// Which format the body has, if not the one that its content says, and what to call a notebook without a name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportIn {
    /// What the file's content says, when absent.
    #[param(value_type = FormatName, required = false, nullable = false)]
    pub(crate) format: Option<String>,
    /// What to call the notebook if the file gives no name.
    #[param(max_length = 255, pattern = r"^[^\u0000]*$", nullable = false)]
    pub(crate) name: Option<String>,
}

/// A notebook made of a file.
#[derive(Serialize, ToSchema)]
#[schema(as = Imported)]
pub(crate) struct ImportedOut<'a> {
    /// A new one, whatever the file says.
    pub(crate) notebook_id: &'a str,
    #[schema(required)]
    pub(crate) name: Option<&'a str>,
    /// How many it has.
    pub(crate) cells: usize,
    /// Sentences for people: what is not as it was in the file.
    pub(crate) notices: Vec<String>,
}
