//! The calls of a store as values, for wrappers that do the same around each of them.

use quire_domain::{Notebook, NotebookId, UserId};

use crate::{Commit, Delete, IdempotencyRecord, ListFilter, RecordLookup, SearchRequest};

/// A call of a store that can fail, with the arguments that say what it is about.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// [`NotebookRepository::create`](crate::NotebookRepository::create)
    Create(&'a Notebook),
    /// [`NotebookRepository::load`](crate::NotebookRepository::load)
    Load(&'a NotebookId),
    /// [`NotebookRepository::commit`](crate::NotebookRepository::commit)
    Commit(Commit<'a>),
    /// [`NotebookRepository::replace`](crate::NotebookRepository::replace)
    Replace(&'a Notebook),
    /// [`NotebookRepository::delete`](crate::NotebookRepository::delete)
    Delete(Delete<'a>),
    /// [`IdempotencyRepository::put_records`](crate::IdempotencyRepository::put_records)
    PutRecords(&'a [IdempotencyRecord]),
    /// [`IdempotencyRepository::record`](crate::IdempotencyRepository::record)
    Record(RecordLookup<'a>),
    /// [`IdempotencyRepository::delete_old_records`](crate::IdempotencyRepository::delete_old_records)
    DeleteOldRecords(&'a [UserId]),
    /// [`NotebookQueries::owner`](crate::NotebookQueries::owner)
    Owner(&'a NotebookId),
    /// [`NotebookQueries::list`](crate::NotebookQueries::list)
    List(&'a ListFilter),
    /// [`NotebookQueries::search`](crate::NotebookQueries::search)
    Search(SearchRequest<'a>),
    /// [`NotebookQueries::digests`](crate::NotebookQueries::digests)
    Digests(&'a [NotebookId]),
    /// [`NotebookQueries::usage`](crate::NotebookQueries::usage)
    Usage(&'a UserId),
    /// [`NotebookQueries::versions`](crate::NotebookQueries::versions)
    Versions(&'a [NotebookId]),
    /// [`NotebookQueries::fresh_versions`](crate::NotebookQueries::fresh_versions)
    FreshVersions(&'a [NotebookId]),
}

impl<'a> Call<'a> {
    /// Returns the notebook that the call is about, if it is about one.
    #[must_use]
    pub fn notebook(&self) -> Option<&'a NotebookId> {
        match *self {
            Self::Create(notebook) | Self::Replace(notebook) => Some(&notebook.id),
            Self::Commit(commit) => Some(&commit.after.id),
            Self::Load(id)
            | Self::Owner(id)
            | Self::Delete(Delete { id, .. })
            | Self::Digests([id])
            | Self::Versions([id])
            | Self::FreshVersions([id]) => Some(id),
            _ => None,
        }
    }

    /// Returns the user that the call is about, if it is about one rather than a notebook.
    #[must_use]
    pub fn user(&self) -> Option<&'a UserId> {
        match *self {
            Self::Record(lookup) => Some(lookup.user),
            Self::Search(search) => Some(search.owner),
            Self::List(filter) => filter.owner.as_ref(),
            Self::Usage(user) | Self::DeleteOldRecords([user]) => Some(user),
            _ => None,
        }
    }
}
