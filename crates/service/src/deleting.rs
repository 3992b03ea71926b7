//! Deleting notebooks.

use quire_domain::{Base, NotebookId};
use quire_storage::{Delete, StoreError};

use crate::command::{Command, DeleteCommand};
use crate::conflict::{ChangedSince, Expected};
use crate::writer::ROUNDS;
use crate::{NotebookService, RequestContext, ServiceError};

impl NotebookService {
    /// Deletes the notebook.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`].
    pub async fn delete(&self, context: impl Into<RequestContext>, id: &NotebookId) -> Result<(), ServiceError> {
        self.delete_expecting(context, id, Expected::Any).await
    }

    /// Deletes the notebook if it is at the revision that the user knows.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`], and [`ServiceError::Conflict`].
    pub async fn delete_expecting(
        &self,
        context: impl Into<RequestContext>,
        id: &NotebookId,
        expected: Expected,
    ) -> Result<(), ServiceError> {
        self.check_may_change()?;
        let context = context.into();
        for _ in 0..ROUNDS {
            let deleted = match self.delete_active(&context, id, expected).await {
                // A deletion needs no memory, and releases some.
                Err(ServiceError::NotebookTooLarge { .. } | ServiceError::MemoryFull) => {
                    let Some(deleted) = self.delete_inactive(&context, id, expected).await? else { continue };
                    deleted
                }
                deleted => deleted,
            };
            deleted?;
            self.shared.limits.quotas.made_room(&context.user);
            self.shared.runs.end(id);
            return Ok(());
        }
        Err(ServiceError::Contended(id.clone()))
    }

    async fn delete_active(
        &self,
        context: &RequestContext,
        id: &NotebookId,
        expected: Expected,
    ) -> Result<(), ServiceError> {
        let handle = self.open(&context.user, id).await?;
        let command = |reply| Command::Delete(DeleteCommand { context: context.clone(), expected, reply });
        self.ask(handle, (&context.user, id), command).await
    }

    /// Deletes an inactive notebook from the store. Returns `None` if the notebook has a writer task after all, which then takes
    /// commands or has ended.
    async fn delete_inactive(
        &self,
        context: &RequestContext,
        id: &NotebookId,
        expected: Expected,
    ) -> Result<Option<Result<(), ServiceError>>, ServiceError> {
        let slot_use = self.shared.registry.slot(id)?;
        let Some(slot) = slot_use.slot() else { return Ok(None) };
        // The deletion occupies the slot, so that no writer task is started meanwhile.
        let delete = || async { Err(self.delete_stored(context, id, expected).await) };
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

    async fn delete_stored(
        &self,
        context: &RequestContext,
        id: &NotebookId,
        expected: Expected,
    ) -> Result<(), ServiceError> {
        let user = &context.user;
        let record = context.record(id, &(), self.shared.sources.now())?;
        for _ in 0..ROUNDS {
            let unknown = || ServiceError::UnknownNotebook(id.to_string());
            if self.shared.store.short(user).await?.owner(id).await?.ok_or_else(unknown)? != *user {
                return Err(ServiceError::Foreign(id.clone()));
            }
            let mut found = self.shared.store.short(user).await?.versions(std::slice::from_ref(id)).await?;
            let stored = found.pop().ok_or_else(unknown)?;
            let base = Base { life: stored.life, revision: stored.revision };
            if let Some(expected) = expected.state().filter(|_| expected.is_other(base)) {
                // The changed cells are unknown, because the notebook is not opened.
                let changed = ChangedSince::default();
                return Err(ServiceError::Conflict { expected, current: base.revision, changed });
            }
            match self.shared.store.slow(user).await?.delete(Delete { id, base, record: record.as_ref() }).await {
                Err(StoreError::RevisionMismatch { .. }) => {} // another server has changed it since the look-up
                deleted => return Ok(deleted?),
            }
        }
        Err(ServiceError::Contended(id.clone()))
    }
}
