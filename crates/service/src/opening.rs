//! The way to a notebook's writer task: who may reach it, and how it is started.

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
    /// Finds the notebook's writer task, or starts it, if the notebook is the user's. This is the only check of the owner: a
    /// writer task ends when its notebook gets another one. A stranger starts none, and waits for the store whether the
    /// notebook is in memory, in the store or nowhere.
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
            let _ = self.shared.store.short(user).await?.owner(id).await; // for the time that it takes
            return Err(ServiceError::Foreign(id.clone()));
        }
    }

    /// Starts the writer task of a notebook that is not active, unless another caller does so.
    async fn activate(&self, user: &UserId, id: &NotebookId) -> Result<(), ServiceError> {
        // A stranger makes nobody read a notebook, and must not stand in the way of the owner, who waits in the slot.
        let owner = self.shared.store.short(user).await?.owner(id).await?;
        if owner.ok_or_else(|| ServiceError::UnknownNotebook(id.to_string()))? != *user {
            return Err(ServiceError::Foreign(id.clone()));
        }
        let slot = self.shared.registry.slot(id)?;
        // A task of its own: when whoever asked goes away, the work is not lost for the next who asks.
        let start = start(Arc::clone(&self.shared), slot, (id.clone(), user.clone()));
        self.shared.runtime.spawn(start).await.unwrap_or_else(|_panicked| Err(broken(id)))
    }

    /// Puts a command into the queue of a writer task and waits for its answer. Where that task is ending, the next one is
    /// asked.
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
                // The notebook was deleted, and perhaps made again, which only the next writer task can know.
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

/// Starts the notebook's writer task in its slot for its owner, unless another caller is doing so or has; then waits for that.
async fn start(
    shared: Arc<ServiceContext>,
    slot_use: SlotUse,
    (id, user): (NotebookId, UserId),
) -> Result<(), ServiceError> {
    let unknown = || ServiceError::UnknownNotebook(id.to_string());
    let start = || async {
        // Before loading, so that what is loaded does not wait in memory, and only so many of the largest are there beside
        // what is accounted.
        let permit = shared.limits.lanes.of(Kind::Opening).enter(&user, 1).await?;
        let loaded = shared.store.slow(&user).await?.load(&id).await?.ok_or_else(unknown)?;
        if loaded.notebook.owner != user {
            return Err(ServiceError::Foreign(id.clone())); // since just now
        }
        // How large it is shows only now.
        let bytes = loaded.notebook.memory_bytes();
        shared.limits.memory.check_one(&id, bytes)?;
        let charge = memory::charge(&shared, &user, bytes + ACTIVE_BYTES).await?;
        Writer::start(&shared, &slot_use, loaded, permit, charge).await
    };
    if let Some(slot) = slot_use.slot() {
        let handle = slot.handle.get_or_try_init(start).await?;
        // A hint that came before the handle was here could wake nobody.
        if slot.is_hinted() {
            let _ = handle.commands.try_send(Command::Refresh { newer: None, reply: None }); // with a full queue it is awake
        }
    }
    Ok(())
}

/// A task went away without an answer: it panicked, perhaps after it had stored something.
fn broken(id: &NotebookId) -> ServiceError {
    ServiceError::Store(StoreError::OutcomeUnknown { id: id.clone() })
}
