//! The registry of active notebooks, each with at most one writer task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::{NotebookId, UserId};
use quire_storage::StoredVersion;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OnceCell, mpsc, oneshot, watch};

use crate::ServiceError;
use crate::command::Command;
use crate::eviction::{self, Candidate};
use crate::memory::Account;
use crate::published::Published;

/// Handle of a notebook's writer task.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) published: watch::Receiver<Arc<Published>>,
    /// Only watchers receive from it.
    pub(crate) news: watch::Sender<()>,
    /// The time of the last access, on a counter of all accesses.
    pub(crate) used: Arc<AtomicU64>,
    pub(crate) owner: UserId,
    /// The account of its memory.
    pub(crate) account: Arc<Account>,
}

impl Handle {
    /// Returns the state that the writer task has published last.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    /// Waits until the writer task has ended. It has left the registry then.
    pub(crate) async fn ended(mut self) {
        while self.published.changed().await.is_ok() {}
    }

    /// Makes the writer task refresh its notebook if it does not know this version. If its queue is full, the next look-up
    /// repeats this.
    pub(crate) fn refresh(&self, newer: StoredVersion) {
        let _ = self.commands.try_send(Command::Refresh { newer: Some(newer), reply: None });
    }

    fn is_watched(&self) -> bool {
        self.news.receiver_count() > 0
    }

    /// Asks the writer task to end, to release its memory. Returns `false` if its queue is full, so that it is in use.
    fn evict(&self, even_watched: bool) -> bool {
        // The mark comes first; the writer task removes it if it does not end.
        self.account.begin_eviction();
        let sent = self.commands.try_send(Command::Retire { even_watched });
        let is_full = matches!(sent, Err(TrySendError::Full(_)));
        if is_full {
            self.account.cancel_eviction();
        }
        !is_full // a writer task with a closed queue is ending
    }
}

/// A notebook's entry in the registry, shared by all callers that wait for the start of its writer task.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Empty while the writer task is being started.
    pub(crate) handle: OnceCell<Handle>,
    /// `true` if the store has sent a hint that the writer task has not handled yet. The hint is in the slot, because the writer
    /// task may not have been started, or its queue may be full.
    hinted: AtomicBool,
}

impl Slot {
    /// Returns `true` if there is a hint that the writer task has not handled yet.
    pub(crate) fn is_hinted(&self) -> bool {
        self.hinted.load(Ordering::SeqCst)
    }
}

/// The active notebooks.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<Slots>,
    uses: AtomicU64,
}

#[derive(Debug, Default)]
struct Slots {
    by_id: HashMap<NotebookId, Arc<Slot>>,
    closed: bool,
}

/// Use of a slot, by a waiting caller or by the writer task. The slot leaves the registry with the last use while it is
/// empty, or with the use of the writer task, even after a cancellation or a panic.
#[derive(Debug)]
pub(crate) struct SlotUse {
    registry: Arc<Registry>,
    id: NotebookId,
    slot: Option<Arc<Slot>>,
    is_writer: bool,
}

impl SlotUse {
    /// Returns the slot, which is present until the drop.
    pub(crate) fn slot(&self) -> Option<&Slot> {
        self.slot.as_deref()
    }

    /// Returns the use of the same slot by the writer task that is being started in it.
    pub(crate) fn for_writer(&self) -> Self {
        let Self { registry, id, slot, .. } = self;
        Self { registry: Arc::clone(registry), id: id.clone(), slot: slot.clone(), is_writer: true }
    }

    /// Returns `true` if there is a hint that was not taken yet.
    pub(crate) fn is_hinted(&self) -> bool {
        self.slot().is_some_and(Slot::is_hinted)
    }

    /// Takes the hint that the notebook may have changed, if there is one.
    pub(crate) fn take_hint(&self) {
        if let Some(slot) = self.slot() {
            slot.hinted.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for SlotUse {
    fn drop(&mut self) {
        let mut slots = self.registry.lock();
        let Some(slot) = self.slot.take() else { return };
        // All references change under the lock. If only two are left, of the registry and of this use, no other caller
        // waits for the slot.
        let unused = slot.handle.get().is_none() && Arc::strong_count(&slot) == 2;
        if (self.is_writer || unused) && slots.by_id.get(&self.id).is_some_and(|there| Arc::ptr_eq(there, &slot)) {
            slots.by_id.remove(&self.id);
        }
        drop(slot);
    }
}

impl Registry {
    /// Returns the slot of this notebook, and creates it if it is missing.
    ///
    /// # Errors
    /// Returns [`ServiceError::Closing`] after [`Self::close`].
    pub(crate) fn slot(self: &Arc<Self>, id: &NotebookId) -> Result<SlotUse, ServiceError> {
        let mut slots = self.lock();
        if slots.closed {
            return Err(ServiceError::Closing);
        }
        let slot = Arc::clone(slots.by_id.entry(id.clone()).or_default());
        Ok(self.used(id.clone(), slot))
    }

    /// Begins to evict notebooks until `missing` bytes are about to be released, or no more can be evicted. `shares` are the
    /// bytes of each user; see [`eviction::evict`].
    pub(crate) fn evict(&self, mut shares: HashMap<UserId, usize>, wanted: Option<(&UserId, usize)>, missing: usize) {
        let slots = self.lock();
        let active = slots.by_id.values().filter_map(|slot| slot.handle.get());
        let (ending, handles): (Vec<&Handle>, Vec<&Handle>) = active.partition(|handle| handle.account.is_evicting());
        for handle in ending {
            if let Some(share) = shares.get_mut(&handle.owner) {
                *share = share.saturating_sub(handle.account.bytes());
            }
        }
        let candidates = handles.iter().map(|handle| Candidate {
            owner: &handle.owner,
            used: handle.used.load(Ordering::Relaxed),
            bytes: handle.account.bytes(),
            is_watched: handle.is_watched(),
        });
        let candidates: Vec<_> = candidates.collect();
        let evict = |index: usize| handles[index].evict(candidates[index].is_watched);
        eviction::evict(&candidates, &shares, wanted, missing, evict);
    }

    /// Closes the registry to new slots, and returns the remaining ones.
    pub(crate) fn close(self: &Arc<Self>) -> Vec<SlotUse> {
        let mut slots = self.lock();
        slots.closed = true;
        slots.by_id.iter().map(|(id, slot)| self.used(id.clone(), Arc::clone(slot))).collect()
    }

    fn used(self: &Arc<Self>, id: NotebookId, slot: Arc<Slot>) -> SlotUse {
        SlotUse { registry: Arc::clone(self), id, slot: Some(slot), is_writer: false }
    }

    /// Returns the number of the next access to a notebook.
    pub(crate) fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits until the registry is unlocked.
    pub(crate) fn wait_until_free(&self) {
        drop(self.lock());
    }

    /// Returns the handle of this notebook, if it is active.
    pub(crate) fn active(&self, id: &NotebookId) -> Option<Handle> {
        let slots = self.lock();
        let handle = slots.by_id.get(id)?.handle.get()?;
        handle.used.store(self.tick(), Ordering::Relaxed);
        Some(handle.clone())
    }

    /// Returns `true` if there is an active notebook.
    pub(crate) fn has_active(&self) -> bool {
        self.lock().by_id.values().any(|slot| slot.handle.get().is_some())
    }

    /// Records that this notebook, or each one, may have changed, and wakes its writer task.
    pub(crate) fn hint(&self, id: Option<&NotebookId>) {
        let slots = self.lock();
        let one = id.map(|id| slots.by_id.get(id));
        let concerned: Vec<_> = one.map_or_else(|| slots.by_id.values().collect(), |one| one.into_iter().collect());
        for slot in concerned {
            // The hint is set before the handle is read, because a writer task that is being started reads hints when it
            // begins.
            slot.hinted.store(true, Ordering::SeqCst);
            if let Some(handle) = slot.handle.get() {
                let _ = handle.commands.try_send(Command::Refresh { newer: None, reply: None }); // with a full queue it is awake
            }
        }
    }

    /// Makes the writer task, if there is one, refresh its notebook unless it knows this version, and waits for that. Without a
    /// version, it always refreshes, as after [`Self::hint`]. Returns `false` if the store could not be read.
    pub(crate) async fn catch_up(&self, id: &NotebookId, newer: Option<StoredVersion>) -> bool {
        if newer.is_none() {
            self.hint(Some(id));
        }
        let Some(handle) = self.find(id) else { return true };
        let (reply, is_refreshed) = oneshot::channel();
        // A writer task that has ended needs no refresh.
        if handle.commands.send(Command::Refresh { newer, reply: Some(reply) }).await.is_err() {
            return true;
        }
        is_refreshed.await.unwrap_or(true)
    }

    /// Returns the active notebooks that are watched, with their published states.
    pub(crate) fn watched(&self) -> Vec<(NotebookId, Arc<Published>)> {
        let slots = self.lock();
        let active = slots.by_id.iter().filter_map(|(id, slot)| Some((id, slot.handle.get()?)));
        active.filter(|(_, handle)| handle.is_watched()).map(|(id, handle)| (id.clone(), handle.published())).collect()
    }

    /// Returns the writer task of this notebook, if it is active, without counting that as a use.
    pub(crate) fn find(&self, id: &NotebookId) -> Option<Handle> {
        self.lock().by_id.get(id)?.handle.get().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests that two concurrent uses of an empty slot leave no slot behind.
    #[test]
    fn an_empty_slot_leaves_with_its_last_user() {
        let registry = Arc::new(Registry::default());
        let id = NotebookId::new("missing").unwrap();
        for _ in 0..20_000 {
            let uses = [registry.slot(&id).unwrap(), registry.slot(&id).unwrap()];
            std::thread::scope(|scope| {
                for used in uses {
                    scope.spawn(move || drop(used));
                }
            });
            assert!(registry.lock().by_id.is_empty());
        }
    }
}
