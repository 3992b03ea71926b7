//! Access to a notebook's writer task: the check of the owner, and the start of the task.

use std::sync::Arc;

use quire_domain::{NotebookId, UserId};
use quire_storage::StoreError;
use tokio::sync::oneshot;

use crate::command::Command;
use crate::context::ServiceContext;
use crate::memory;
use crate::registry::{Handle, SlotUse};
use crate::work::Kind;
use crate::writer::{ACTIVE_BYTES, ROUNDS, Writer};
use crate::{NotebookService, ServiceError};

impl NotebookService {
    /// Finds or starts the notebook's writer task, if the user owns the notebook. This is the only check of the owner: a writer
    /// task ends when its notebook gets another owner. Another user's call starts no task, and always makes one store call, so
    /// that its time does not tell whether the notebook is in memory, in the store or missing.
    pub(crate) async fn open(&self, user: &UserId, id: &NotebookId) -> Result<Handle, ServiceError> {
        loop {
            let Some(handle) = self.shared.registry.active(id) else {
                self.activate(user, id).await?;
                continue;
            };
            if handle.commands.is_closed() {
                handle.ended().await;
                continue;
            }
            if handle.owner == *user {
                return Ok(handle);
            }
            let _ = self.shared.store.short(user).await?.owner(id).await; // only to take the same time
            return Err(ServiceError::Foreign(id.clone()));
        }
    }

    /// Starts the writer task of a notebook that is not active, unless another caller does so.
    async fn activate(&self, user: &UserId, id: &NotebookId) -> Result<(), ServiceError> {
        // The owner is checked before the slot is taken: another user must not cause a load, nor delay the owner, whose
        // call waits in the slot.
        let owner = self.shared.store.short(user).await?.owner(id).await?;
        if owner.ok_or_else(|| ServiceError::UnknownNotebook(id.to_string()))? != *user {
            return Err(ServiceError::Foreign(id.clone()));
        }
        let slot = self.shared.registry.slot(id)?;
        // The start runs in its own task, so that it continues for the next caller if this call is cancelled.
        let start = start(Arc::clone(&self.shared), slot, (id.clone(), user.clone()));
        self.shared.runtime.spawn(start).await.unwrap_or_else(|_panicked| Err(broken(id)))
    }

    /// Sends a command to a writer task and waits for the reply. If that task is ending, the command goes to the next one.
    pub(crate) async fn ask<T>(
        &self,
        mut handle: Handle,
        (user, id): (&UserId, &NotebookId),
        command: impl Fn(oneshot::Sender<Result<T, ServiceError>>) -> Command,
    ) -> Result<T, ServiceError> {
        let mut round = 1;
        loop {
            let (reply, answer) = oneshot::channel();
            if handle.commands.send(command(reply)).await.is_ok() {
                let answer = answer.await.unwrap_or_else(|_gone| Err(broken(id)));
                // The notebook was deleted, and perhaps created again, which only the next writer task can find.
                let is_gone = matches!(answer, Err(ServiceError::UnknownNotebook(_))) && handle.commands.is_closed();
                if !is_gone || round == ROUNDS {
                    return answer;
                }
                round += 1;
            }
            handle.ended().await;
            handle = self.open(user, id).await?;
        }
    }
}

/// Starts the notebook's writer task in its slot for its owner. If another caller is starting it or has started it, waits for
/// that instead.
async fn start(
    shared: Arc<ServiceContext>,
    slot_use: SlotUse,
    (id, user): (NotebookId, UserId),
) -> Result<(), ServiceError> {
    let unknown = || ServiceError::UnknownNotebook(id.to_string());
    let start = || async {
        // The permit is acquired before the load, so that no loaded notebook waits in memory, and few exist that are not
        // accounted yet.
        let permit = shared.limits.lanes.of(Kind::Opening).enter(&user, 1).await?;
        let loaded = shared.store.slow(&user).await?.load(&id).await?.ok_or_else(unknown)?;
        if loaded.notebook.owner != user {
            return Err(ServiceError::Foreign(id.clone())); // the owner has changed since the check
        }
        // The size is known only after the load.
        let bytes = loaded.notebook.memory_bytes();
        shared.limits.memory.check_one(&id, bytes)?;
        let charge = memory::charge(&shared, &user, bytes + ACTIVE_BYTES).await?;
        Writer::start(&shared, &slot_use, loaded, permit, charge).await
    };
    if let Some(slot) = slot_use.slot() {
        let handle = slot.handle.get_or_try_init(start).await?;
        // A hint before the handle was set could not wake the task.
        if slot.is_hinted() {
            let _ = handle.commands.try_send(Command::Refresh { newer: None, reply: None }); // with a full queue it is awake
        }
    }
    Ok(())
}

/// Returns the error for a task that ended without a reply: it panicked, perhaps after it had stored a change.
fn broken(id: &NotebookId) -> ServiceError {
    ServiceError::Store(StoreError::OutcomeUnknown { id: id.clone() })
}
