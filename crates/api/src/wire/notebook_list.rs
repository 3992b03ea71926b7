//! The list of a user's notebooks.

use quire_domain::NotebookId;
use quire_storage::{Damaged, Summary};
use serde::Serialize as DeriveSerialize;
use serde::ser::{Serialize, Serializer};
use utoipa::ToSchema;

use super::list::{List, NextOut};

/// A list of notebooks.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = NotebookList)]
pub(crate) struct ListOut<'a> {
    #[schema(value_type = Vec<SummaryOut>)]
    notebooks: List<&'a [Summary]>,
    /// The cursor of the next page; null on the last page, absent in a complete list.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<NextOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Stored notebooks that cannot be read and are, or may be, yours; absent when there are none.
    #[schema(value_type = Vec<DamagedOut>, required = false)]
    damaged: Option<List<&'a [Damaged]>>,
}

impl<'a> ListOut<'a> {
    /// `next` is the cursor of the next page, if a page was requested.
    pub(crate) fn new(notebooks: &'a [Summary], damaged: &'a [Damaged], next: Option<NextOut>) -> Self {
        let damaged = (!damaged.is_empty()).then_some(List(damaged));
        Self { notebooks: List(notebooks), next_cursor: next, damaged }
    }
}

/// A notebook in a list.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = NotebookSummary)]
pub(crate) struct SummaryOut<'a> {
    id: &'a str,
    /// The notebook's name, or its id if it has no name.
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

/// A stored notebook that cannot be read.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = DamagedNotebook)]
pub(crate) struct DamagedOut<'a> {
    /// The name of its file.
    file: &'a str,
    /// Its id, as far as that can be read; null if not.
    #[schema(required)]
    id: Option<&'a str>,
    /// The fault and its position.
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
