//! Targets of exported notebooks.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use quire_domain::{Notebook, NotebookId, UserId};
use quire_storage::{NotebookStore, NotebookStoreExt as _, StoreError};

use crate::export::list;

/// A target of copies of notebooks: a store, or files in some format. Each format has its own implementation.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
///
/// use async_trait::async_trait;
/// use quire_domain::{Notebook, NotebookId, UserId};
/// use quire_storage::StoreError;
/// use quire_transfer::Target;
///
/// #[derive(Debug, Default)]
/// struct InMemory(Mutex<BTreeMap<NotebookId, Notebook>>);
///
/// #[async_trait]
/// impl Target for InMemory {
///     async fn ids(&self, owner: Option<&UserId>) -> Result<Vec<NotebookId>, StoreError> {
///         let copies = self.0.lock().unwrap();
///         let copies = copies.values().filter(|copy| owner.is_none_or(|owner| copy.owner == *owner));
///         Ok(copies.map(|copy| copy.id.clone()).collect())
///     }
///
///     async fn put(&self, notebook: &Notebook) -> Result<bool, StoreError> {
///         Ok(self.0.lock().unwrap().insert(notebook.id.clone(), notebook.clone()).as_ref() != Some(notebook))
///     }
///
///     async fn delete(&self, id: &NotebookId) -> Result<(), StoreError> {
///         let deleted = self.0.lock().unwrap().remove(id);
///         deleted.map(drop).ok_or_else(|| StoreError::NotFound { id: id.clone() })
///     }
/// }
/// ```
#[async_trait]
pub trait Target: Debug + Send + Sync + 'static {
    /// Returns the ids of the notebooks in the target; only this owner's, if the target stores owners.
    ///
    /// # Errors
    /// If they cannot be listed.
    async fn ids(&self, owner: Option<&UserId>) -> Result<Vec<NotebookId>, StoreError>;

    /// Stores a notebook, and replaces an earlier copy. Returns `true` if there was none or a different one.
    ///
    /// # Errors
    /// If the notebook cannot be stored; an earlier copy remains.
    async fn put(&self, notebook: &Notebook) -> Result<bool, StoreError>;

    /// Deletes a notebook.
    ///
    /// # Errors
    /// If the notebook cannot be deleted, or does not exist.
    async fn delete(&self, id: &NotebookId) -> Result<(), StoreError>;
}

/// A store as a target.
#[derive(Clone, Debug)]
pub struct StoreTarget(pub Arc<dyn NotebookStore>);

#[async_trait]
impl Target for StoreTarget {
    async fn ids(&self, owner: Option<&UserId>) -> Result<Vec<NotebookId>, StoreError> {
        list(&*self.0, owner).await
    }

    async fn put(&self, notebook: &Notebook) -> Result<bool, StoreError> {
        match self.0.load(&notebook.id).await? {
            None => self.0.create(notebook, None).await?,
            Some(there) if is_exactly(&there.notebook, notebook) => return Ok(false),
            Some(there) => self.0.replace(there.notebook.base(), notebook).await?,
        };
        Ok(true)
    }

    async fn delete(&self, id: &NotebookId) -> Result<(), StoreError> {
        self.0.delete_current(id, None).await
    }
}

fn is_exactly(there: &Notebook, wanted: &Notebook) -> bool {
    let beside =
        |notebook: &Notebook| (notebook.base(), notebook.created_at, notebook.updated_at, notebook.connection.clone());
    beside(there) == beside(wanted)
        && there.content_digest() == wanted.content_digest()
        && there.cells.iter().map(|cell| cell.revision).eq(wanted.cells.iter().map(|cell| cell.revision))
}
