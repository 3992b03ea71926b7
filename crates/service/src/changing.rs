//! Use cases that change something.

use std::collections::HashSet;
use std::sync::Arc;

use quire_domain::{Base, CellId, Change, ConnectionString, Edit, Notebook, NotebookId, Revision, UserId};
use quire_storage::{Delete, IdempotencyRecord, ListFilter, Page, PageRequest, StoreError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::{Command, EditCommand, EditRequest, RecordOnCommit};
use crate::conflict::{ChangedSince, Expected};
use crate::duplicate::{Duplicated, copy_of, name_of_copy};
use crate::event::Published;
use crate::idempotency::IdempotencyContext;
use crate::provision::{new_cell_id, notebook_of};
use crate::quota::{bytes, makes_room, of_notebook, of_request};
use crate::work::Kind;
use crate::writer::ROUNDS;
use crate::{NotebookService, ServiceError};

/// The answer to an edit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edited {
    /// The notebook's revision after the edit, durable.
    pub revision: Revision,
    /// What is different; absent when the notebook already was as the edit wanted it, and in an answer that is given again.
    #[serde(skip)]
    pub change: Option<Arc<Change>>,
}

/// The answer to an insertion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// The new cell.
    pub cell: CellId,
    /// The edit that made it.
    #[serde(flatten)]
    pub edited: Edited,
}

impl NotebookService {
    /// Makes a notebook with one empty Python cell.
    ///
    /// # Errors
    /// When the store refuses or fails.
    pub async fn create(&self, user: &UserId) -> Result<NotebookId, ServiceError> {
        self.check_may_change()?;
        let id = NotebookId::new(Uuid::new_v4().to_string())?;
        let notebook = notebook_of(id.clone(), user, self.shared.clock.now(), &[""])?;
        self.store_new(&notebook, &id).await?;
        Ok(id)
    }

    /// Stores a new notebook, if its owner may keep one more, with the answer to the request.
    pub(crate) async fn store_new(&self, notebook: &Notebook, answer: &impl Serialize) -> Result<(), ServiceError> {
        let owner = &notebook.owner;
        self.shared.quotas.admit((&self.shared.store, &self.shared.lanes), owner, of_notebook(notebook)).await?;
        let store = self.shared.store.slow(owner).await?;
        store.create(notebook, self.answer(&notebook.id, answer)?.as_ref()).await?;
        Ok(())
    }

    /// Makes a copy of the notebook, results included, as a new notebook of the same owner. Its connection string is sealed
    /// anew, since a sealed one is bound to its notebook.
    ///
    /// # Errors
    /// As [`Self::get`], and when the store refuses.
    pub async fn duplicate(&self, user: &UserId, id: &NotebookId) -> Result<Duplicated, ServiceError> {
        self.check_may_change()?;
        let original = self.get(user, id).await?;
        let permit = self.shared.lanes.of(Kind::Duplicate).enter(user, bytes(&original.notebook)).await?;
        let filter = ListFilter::of(user.clone());
        let all = self.shared.store.slow(user).await?.list(&filter, &PageRequest::default()).await?;
        let (service, of) = (self.clone(), original.notebook.id.clone());
        let copy = move || service.copy(&original, &all);
        let (copy, duplicated) = permit.run(|| format!("copy notebook {of}"), copy).await??;
        self.store_new(&copy, &duplicated).await?;
        Ok(duplicated)
    }

    fn copy(&self, original: &Published, all: &Page) -> Result<(Notebook, Duplicated), ServiceError> {
        let original = &original.notebook;
        let taken: HashSet<&str> = all.notebooks.iter().filter_map(|summary| summary.name.as_deref()).collect();
        let shown = original.name.as_deref().unwrap_or(original.id.as_str());
        let name = name_of_copy(shown, |name| taken.contains(name));
        let id = NotebookId::new(Uuid::new_v4().to_string())?;
        let mut copy = copy_of(original, id.clone(), Arc::clone(&name), self.shared.clock.now());
        let has_connection = match self.shared.sealing.open(original) {
            Ok(Some(opened)) => {
                copy.connection = self.shared.sealing.keep(&copy, &opened)?;
                true
            }
            Ok(None) => true,
            // The code is worth a copy all the same.
            Err(_cannot_open) => false,
        };
        Ok((copy, Duplicated { id, name, has_connection }))
    }

    /// Applies an edit and waits until it is durable. With `expected`, a revision or an [`Expected`], only if that holds.
    /// When the returned future is dropped, the edit may still happen.
    ///
    /// # Errors
    /// [`ServiceError`] says why; unless it wraps `OutcomeUnknown`, nothing was changed.
    pub async fn edit(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: impl Into<Expected>,
        edit: Edit,
    ) -> Result<Edited, ServiceError> {
        self.request(user, id, expected.into(), edit.into(), None).await
    }

    /// Sets the connection string that the owner entered, sealed where it can be, or none; see [`Self::edit`]. The one that
    /// there is, and exactly what was shown of that, change nothing.
    ///
    /// # Errors
    /// As [`Self::edit`], and when the string cannot be what is meant or cannot be kept.
    pub async fn set_connection(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: impl Into<Expected>,
        entered: Option<ConnectionString>,
    ) -> Result<Edited, ServiceError> {
        let request = entered.map_or(EditRequest::Edit(Edit::SetConnection { connection: None }), EditRequest::Connect);
        self.request(user, id, expected.into(), request, None).await
    }

    /// Inserts a cell with an id of its own; see [`Self::edit`].
    ///
    /// # Errors
    /// As [`Self::edit`].
    pub async fn insert_cell(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: impl Into<Expected>,
        (cell_type, code): (quire_domain::CellType, Arc<str>),
        place: quire_domain::Place,
    ) -> Result<Created, ServiceError> {
        let cell = new_cell_id()?;
        let edit = Edit::InsertCell { id: cell.clone(), cell_type, code, place };
        let edited = self.request(user, id, expected.into(), edit.into(), Some(&cell)).await?;
        Ok(Created { cell, edited })
    }

    async fn request(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: Expected,
        request: EditRequest,
        made: Option<&CellId>,
    ) -> Result<Edited, ServiceError> {
        self.check_may_change()?;
        let more = of_request(&request, &self.open(user, id).await?.published.borrow().notebook);
        self.shared.quotas.admit((&self.shared.store, &self.shared.lanes), user, more).await?;
        let command = |reply| {
            Command::Edit(EditCommand {
                user: user.clone(),
                expected,
                request: request.clone(),
                keep: self.context.clone().map(|context| RecordOnCommit { context, made: made.cloned() }),
                reply,
            })
        };
        let edited = self.ask(user, id, command).await?;
        if makes_room(&request, more) {
            self.shared.quotas.made_room(user);
        }
        Ok(edited)
    }

    /// Deletes the notebook.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn delete(&self, user: &UserId, id: &NotebookId) -> Result<(), ServiceError> {
        self.delete_expecting(user, id, Expected::Any).await
    }

    /// Deletes the notebook if it is at the revision that the user knows; another server's edit in the moment between looking
    /// and deleting is not seen.
    ///
    /// # Errors
    /// As [`Self::get`], and [`ServiceError::Conflict`].
    pub async fn delete_expecting(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: Expected,
    ) -> Result<(), ServiceError> {
        self.check_may_change()?;
        let command = |reply| Command::Delete { user: user.clone(), expected, context: self.context.clone(), reply };
        for _ in 0..ROUNDS {
            let deleted = match self.ask(user, id, command).await {
                // Deleting needs no room, and makes some.
                Err(ServiceError::NotebookTooLarge { .. } | ServiceError::MemoryFull) => {
                    let Some(deleted) = self.delete_inactive(user, id, expected).await? else { continue };
                    deleted
                }
                deleted => deleted,
            };
            deleted?;
            self.shared.quotas.made_room(user);
            return Ok(());
        }
        Err(ServiceError::Contended(id.clone()))
    }

    /// Deletes a notebook from the store while it is not active; returns nothing when it has a writer after all, once that
    /// can be asked.
    async fn delete_inactive(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: Expected,
    ) -> Result<Option<Result<(), ServiceError>>, ServiceError> {
        let slot_use = self.shared.registry.slot(id)?;
        let Some(slot) = slot_use.slot() else { return Ok(None) };
        // In the slot, so that no writer is started meanwhile.
        let delete = || async { Err(self.delete_stored(user, id, expected).await) };
        match slot.handle.get_or_try_init(delete).await {
            Err(deleted) => Ok(Some(deleted)),
            Ok(active) => {
                if active.commands.is_closed() {
                    active.clone().ended().await;
                }
                Ok(None)
            }
        }
    }

    async fn delete_stored(&self, user: &UserId, id: &NotebookId, expected: Expected) -> Result<(), ServiceError> {
        let answer = self.answer(id, &())?;
        for _ in 0..ROUNDS {
            let unknown = || ServiceError::UnknownNotebook(id.to_string());
            if self.shared.store.short(user).await?.owner(id).await?.ok_or_else(unknown)? != *user {
                return Err(ServiceError::Foreign(id.clone()));
            }
            let mut found = self.shared.store.short(user).await?.versions(std::slice::from_ref(id)).await?;
            let stored = found.pop().ok_or_else(unknown)?;
            let base = Base { life: stored.life, revision: stored.revision };
            if let Some(expected) = expected.state().filter(|_| expected.is_other(base)) {
                // Which cells are different is not known without opening it.
                let changed = ChangedSince::default();
                return Err(ServiceError::Conflict { expected, current: base.revision, changed });
            }
            let delete = Delete { id, base, record: answer.as_ref() };
            match self.shared.store.slow(user).await?.delete(delete).await {
                Err(StoreError::RevisionMismatch { .. }) => {} // changed by somebody else just now
                deleted => return Ok(deleted?),
            }
        }
        Err(ServiceError::Contended(id.clone()))
    }

    /// The answer to keep with what is made at once, if this is for a request with a key.
    pub(crate) fn answer(
        &self,
        notebook: &NotebookId,
        outcome: &impl Serialize,
    ) -> Result<Option<IdempotencyRecord>, ServiceError> {
        let answer = |context: &Arc<IdempotencyContext>| context.answer(notebook, outcome, self.shared.clock.now());
        Ok(self.context.as_ref().map(answer).transpose()?)
    }
}
