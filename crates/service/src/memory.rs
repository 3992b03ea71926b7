//! The memory that active notebooks may take together: accounted by user, in estimated bytes.
//!
//! Opening a notebook, and building its graph for readers, makes room first by evicting other notebooks, and is refused at once
//! where none can be evicted, also while one is only just ending.
//! An edit does not wait, since a writer that waited for another one to end could be waited for by it: what it adds is
//! accounted when it is published, and if that is too much, notebooks are evicted afterwards. Whoever takes the most makes
//! room first, so that one user's notebooks do not push out another's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::{NotebookId, UserId};
use tokio::sync::oneshot;

use crate::ServiceError;
use crate::command::Command;
use crate::writer::Shared;

/// What active notebooks take, and what they may take.
#[derive(Debug)]
pub(crate) struct Memory {
    budget: usize,
    taken: Mutex<HashMap<UserId, usize>>,
    /// Whether a task is evicting notebooks.
    is_evicting: AtomicBool,
}

/// Bytes accounted to a user until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    memory: Arc<Memory>,
    user: UserId,
    bytes: AtomicUsize,
}

impl Charge {
    /// Accounts so many bytes in place of those before, whether or not there is room for them.
    pub(crate) fn set(&self, bytes: usize) {
        let mut taken = self.memory.taken();
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        let of_user = taken.entry(self.user.clone()).or_default();
        *of_user = (*of_user + bytes).saturating_sub(before);
        if *of_user == 0 {
            taken.remove(&self.user);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Memory {
    pub(crate) fn new(budget: usize) -> Arc<Self> {
        Arc::new(Self { budget, taken: Mutex::default(), is_evicting: AtomicBool::new(false) })
    }

    /// The bytes that one notebook may take: half of all, since a notebook that others have changed is in memory twice
    /// while it is taken over.
    fn most_of_one(&self) -> usize {
        self.budget / 2
    }

    /// Checks that a notebook of so many bytes can be active at all.
    ///
    /// # Errors
    /// [`ServiceError::NotebookTooLarge`] naming the limit.
    pub(crate) fn check_one(&self, id: &NotebookId, bytes: usize) -> Result<(), ServiceError> {
        let most = self.most_of_one();
        if bytes > most {
            return Err(ServiceError::NotebookTooLarge { id: id.clone(), bytes, most });
        }
        Ok(())
    }

    /// Accounts so many bytes to the user if there is room.
    fn try_charge(self: &Arc<Self>, user: &UserId, bytes: usize) -> Option<Charge> {
        let mut taken = self.taken();
        if taken.values().sum::<usize>() + bytes > self.budget {
            return None;
        }
        *taken.entry(user.clone()).or_default() += bytes;
        Some(Charge { memory: Arc::clone(self), user: user.clone(), bytes: AtomicUsize::new(bytes) })
    }

    fn is_full(&self) -> bool {
        self.taken().values().sum::<usize>() > self.budget
    }

    /// The bytes accounted to each user.
    pub(crate) fn by_user(&self) -> HashMap<UserId, usize> {
        self.taken().clone()
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accounts so many bytes to the user, after other notebooks have made room where that is needed. Must not be called by a
/// writer.
///
/// # Errors
/// [`ServiceError::MemoryFull`] when no other user takes more than this one would and none of its notebooks is idle.
pub(crate) async fn charge(shared: &Shared, user: &UserId, bytes: usize) -> Result<Charge, ServiceError> {
    loop {
        if let Some(charge) = shared.memory.try_charge(user, bytes) {
            return Ok(charge);
        }
        if !evict_one(shared, Some((user, bytes))).await {
            return Err(ServiceError::MemoryFull);
        }
    }
}

/// Evicts notebooks in a task of its own while all together take more than they may.
pub(crate) fn evict_soon(shared: &Arc<Shared>) {
    if !shared.memory.is_full() || shared.memory.is_evicting.swap(true, Ordering::SeqCst) {
        return;
    }
    let shared_by_task = Arc::clone(shared);
    shared.runtime.spawn(async move {
        let mut has_evicted = true;
        while has_evicted && shared_by_task.memory.is_full() {
            has_evicted = evict_one(&shared_by_task, None).await;
        }
        shared_by_task.memory.is_evicting.store(false, Ordering::SeqCst);
        // Whoever filled it between the last look and the mark found that evicting was under way.
        if has_evicted {
            evict_soon(&shared_by_task);
        }
    });
}

/// Evicts one notebook and waits until it is gone; returns false when none can be.
async fn evict_one(shared: &Shared, wanted: Option<(&UserId, usize)>) -> bool {
    let Some(victim) = shared.registry.to_evict(&shared.memory.by_user(), wanted) else { return false };
    let (reply, ends) = oneshot::channel();
    let command = Command::Retire { even_watched: victim.is_watched, reply };
    // One whose queue is full is in use; with the mark that it was chosen, another one is next.
    if victim.handle.commands.try_send(command).is_ok() && ends.await != Ok(false) {
        victim.handle.ended().await;
    }
    true
}
