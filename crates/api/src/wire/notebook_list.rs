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
