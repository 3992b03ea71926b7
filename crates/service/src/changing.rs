//! Use cases that create, copy and edit notebooks.

use std::collections::HashSet;
use std::sync::Arc;

use quire_domain::{CellId, Change, ConnectionString, Edit, Notebook, NotebookId, Revision, StoredConnection, UserId};
use quire_storage::{StoreError, Usage};
use serde::{Deserialize, Serialize};

use crate::command::{Command, EditCommand, EditRequest};
use crate::conflict::Expected;
use crate::context::ServiceContext;
use crate::duplicate::{Duplicated, name_of_copy};
use crate::provision::notebook_of;
use crate::published::Published;
use crate::quota::{makes_room, of_edit, of_notebook};
use crate::work::Kind;
use crate::{NotebookService, RequestContext, ServiceError};

/// Result of an edit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edited {
    /// The notebook's revision after the edit, durable.
    pub revision: Revision,
    /// The change; absent if the edit changed nothing, and in a replayed outcome.
    #[serde(skip)]
    pub change: Option<Arc<Change>>,
}

/// Result of an insertion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// The new cell.
    pub cell: CellId,
    /// The result of the edit that created it.
    #[serde(flatten)]
    pub edited: Edited,
}

impl NotebookService {
    /// Creates a notebook with one empty Python cell.
    ///
    /// # Errors
    /// Returns an error if the quota is exhausted, or the store refuses or fails.
    pub async fn create(&self, context: impl Into<RequestContext>) -> Result<NotebookId, ServiceError> {
        self.check_may_change()?;
        let (context, sources) = (context.into(), &self.shared.sources);
        let id = sources.notebook_id()?;
        let notebook = notebook_of(sources, (id.clone(), &context.user), sources.now(), &[""])?;
        self.store_new(&context, &notebook, &id).await?;
        Ok(id)
    }

    /// Stores a new notebook, if its owner may keep one more, with the idempotency record.
    pub(crate) async fn store_new(
        &self,
        context: &RequestContext,
        notebook: &Notebook,
        outcome: &impl Serialize,
    ) -> Result<(), ServiceError> {
        self.admit(&notebook.owner, of_notebook(notebook)).await?;
        let store = self.shared.store.slow(&notebook.owner).await?;
        let record = context.record(&notebook.id, outcome, self.shared.sources.now())?;
        store.create(notebook, record.as_ref()).await?;
        Ok(())
    }

    async fn admit(&self, user: &UserId, more: Usage) -> Result<(), ServiceError> {
        let ServiceContext { store, limits, .. } = &*self.shared;
        limits.quotas.admit((store, &limits.lanes), user, more).await
    }

    /// Copies the notebook with its results as a new notebook of the same owner. The connection string is sealed again, because
    /// a sealed string is bound to its notebook.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`], and an error if the store refuses.
    pub async fn duplicate(
        &self,
        context: impl Into<RequestContext>,
        id: &NotebookId,
    ) -> Result<Duplicated, ServiceError> {
        self.check_may_change()?;
        let context = context.into();
        let user = &context.user;
        let original = self.get(user, id).await?;
        if original.is_stale {
            let reason = "the notebook to copy may be out of date".to_owned();
            return Err(StoreError::Unavailable { reason, source: None }.into());
        }
        let permit = self.shared.limits.lanes.of(Kind::Duplicate).enter(user, original.content_bytes()).await?;
        let taken = self.names_of(user).await?;
        let (service, of) = (self.clone(), original.notebook.id.clone());
        let copy = move || service.copy(&original, &taken);
        let (copy, duplicated) = permit.run_blocking(|| format!("copy notebook {of}"), copy).await??;
        self.store_new(&context, &copy, &duplicated).await?;
        Ok(duplicated)
    }

    fn copy(&self, original: &Published, taken: &HashSet<Arc<str>>) -> Result<(Notebook, Duplicated), ServiceError> {
        let original = &original.stored;
        let shown = original.name.as_deref().unwrap_or(original.id.as_str());
        let name = name_of_copy(shown, |name| taken.contains(name));
        let id = self.shared.sources.notebook_id()?;
        let (copy, has_connection) = self.shared.copy(original, id.clone(), Arc::clone(&name))?;
        Ok((copy, Duplicated { id, name, has_connection }))
    }

    /// Applies an edit and waits until it is durable. The edit is refused unless the notebook is as `expected`, a revision or an
    /// [`Expected`], demands. If the returned future is dropped, the edit may still take effect.
    ///
    /// # Errors
    /// Returns the reason as a [`ServiceError`]. Unless it wraps `OutcomeUnknown`, nothing was changed.
    pub async fn edit(
        &self,
        context: impl Into<RequestContext>,
        id: &NotebookId,
        expected: impl Into<Expected>,
        edit: Edit,
    ) -> Result<Edited, ServiceError> {
        self.apply(id, EditRequest::new(context, expected, edit)).await
    }

    /// Sets the connection string that the owner entered, sealed if there is a key, or removes it; see [`Self::edit`]. The
    /// current string and its masked form change nothing.
    ///
    /// # Errors
    /// Returns the errors of [`Self::edit`], and an error if the string is ambiguous or cannot be stored.
    pub async fn set_connection(
        &self,
        context: impl Into<RequestContext>,
        id: &NotebookId,
        expected: impl Into<Expected>,
        entered: Option<ConnectionString>,
    ) -> Result<Edited, ServiceError> {
        let context = context.into();
        let entered = entered.map(|entered| StoredConnection::new(entered.expose())).transpose()?.flatten();
        if entered.as_ref().is_some_and(StoredConnection::is_sealed) {
            // The error of a missing or foreign notebook takes precedence.
            self.open(&context.user, id).await?;
            return Err(ServiceError::LooksSealed);
        }
        self.apply(id, EditRequest::new(context, expected, Edit::SetConnection { connection: entered })).await
    }

    /// Inserts a cell with an id of its own; see [`Self::edit`].
    ///
    /// # Errors
    /// Returns the errors of [`Self::edit`].
    pub async fn insert_cell(
        &self,
        context: impl Into<RequestContext>,
        id: &NotebookId,
        expected: impl Into<Expected>,
        (cell_type, code): (quire_domain::CellType, Arc<str>),
        place: quire_domain::Place,
    ) -> Result<Created, ServiceError> {
        let cell = self.shared.sources.cell_id()?;
        let edit = Edit::InsertCell { id: cell.clone(), cell_type, code, place };
        let made = Some(cell.clone());
        let edited = self.apply(id, EditRequest { made, ..EditRequest::new(context, expected, edit) }).await?;
        Ok(Created { cell, edited })
    }

    pub(crate) async fn apply(&self, id: &NotebookId, request: EditRequest) -> Result<Edited, ServiceError> {
        self.check_may_change()?;
        let user = &request.context.user;
        let handle = self.open(user, id).await?;
        let more = of_edit(&request.edit, &handle.published.borrow().stored);
        self.admit(user, more).await?;
        let command = |reply| Command::Edit(EditCommand { request: request.clone(), reply });
        let edited = self.ask(handle, (user, id), command).await?;
        if makes_room(&request.edit, more) {
            self.shared.limits.quotas.made_room(user);
        }
        Ok(edited)
    }
}
