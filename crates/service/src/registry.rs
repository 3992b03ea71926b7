//! Which notebooks are active: at most one writer for each.

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

/// The way to a notebook's writer task.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) published: watch::Receiver<Arc<Published>>,
    /// Only watchers receive from it.
    pub(crate) news: watch::Sender<()>,
    /// When it was last asked for, as a count of all such questions.
    pub(crate) used: Arc<AtomicU64>,
    pub(crate) owner: UserId,
    /// The memory that it takes.
    pub(crate) account: Arc<Account>,
}

impl Handle {
    /// The state that the writer has published last.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    /// Waits until the writer has ended; the registry no longer has it then.
    pub(crate) async fn ended(mut self) {
        while self.published.changed().await.is_ok() {}
    }

    /// Has the writer read what is stored if it does not know this version; with a full queue, the next look-up tells it.
    pub(crate) fn refresh(&self, newer: StoredVersion) {
        let _ = self.commands.try_send(Command::Refresh { newer: Some(newer), reply: None });
    }

    fn is_watched(&self) -> bool {
        self.news.receiver_count() > 0
    }

    /// Asks the writer to end so that others have room; returns `false` when its queue is full, so that it is in use.
    fn evict(&self, even_watched: bool) -> bool {
        // First the mark, which the writer takes back if it does not end.
        self.account.begin_eviction();
        let sent = self.commands.try_send(Command::Retire { even_watched });
        let is_full = matches!(sent, Err(TrySendError::Full(_)));
        if is_full {
            self.account.cancel_eviction();
        }
        !is_full // one whose queue is closed is ending
    }
}

/// A notebook's place in the registry, shared by all who wait for its writer to be started.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Empty while the writer is being started.
    pub(crate) handle: OnceCell<Handle>,
    /// `true` when the store has hinted at a change that nobody has looked for yet. In the slot, not in the writer's queue,
    /// because a hint may come while the writer is being started, or while its queue is full.
    hinted: AtomicBool,
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

/// Somebody's use of a slot: a waiter's or the writer's own. When the last use of an empty slot ends, or the writer's,
/// the slot leaves the registry, whether the user returned, was cancelled or panicked.
#[derive(Debug)]
pub(crate) struct SlotUse {
    registry: Arc<Registry>,
    id: NotebookId,
    slot: Option<Arc<Slot>>,
    is_writer: bool,
}

impl SlotUse {
    /// The slot; present until this is dropped.
    pub(crate) fn slot(&self) -> Option<&Slot> {
        self.slot.as_deref()
    }

    /// The use of the same slot by the writer that is being started in it.
    pub(crate) fn for_writer(&self) -> Self {
        let Self { registry, id, slot, .. } = self;
        Self { registry: Arc::clone(registry), id: id.clone(), slot: slot.clone(), is_writer: true }
    }

    /// Takes the hint that the notebook may have changed, if there is one.
    pub(crate) fn take_hint(&self) -> bool {
        self.slot().is_some_and(|slot| slot.hinted.swap(false, Ordering::SeqCst))
    }
}

impl Drop for SlotUse {
    fn drop(&mut self) {
        let mut slots = self.registry.lock();
        let Some(slot) = self.slot.take() else { return };
        // All counting happens under the lock, this use's own end included: with two left, the registry's and this one,
        // nobody else waits for the slot.
        let unused = slot.handle.get().is_none() && Arc::strong_count(&slot) == 2;
        if (self.is_writer || unused) && slots.by_id.get(&self.id).is_some_and(|there| Arc::ptr_eq(there, &slot)) {
            slots.by_id.remove(&self.id);
        }
        drop(slot);
    }
}

impl Registry {
    /// The slot of this notebook, made if it is not there.
    ///
    /// # Errors
    /// [`ServiceError::Closing`] after [`Self::close`].
    pub(crate) fn slot(self: &Arc<Self>, id: &NotebookId) -> Result<SlotUse, ServiceError> {
        let mut slots = self.lock();
        if slots.closed {
            return Err(ServiceError::Closing);
        }
        let slot = Arc::clone(slots.by_id.entry(id.clone()).or_default());
        Ok(self.used(id.clone(), slot))
    }

    /// Begins to evict notebooks until `missing` bytes are on their way to be released, where users take so many bytes each,
    /// or as many as can go; see [`eviction::evict`].
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

    /// Lets nobody in any more, and returns the slots that there still are.
    pub(crate) fn close(self: &Arc<Self>) -> Vec<SlotUse> {
        let mut slots = self.lock();
        slots.closed = true;
        slots.by_id.iter().map(|(id, slot)| self.used(id.clone(), Arc::clone(slot))).collect()
    }

    fn used(self: &Arc<Self>, id: NotebookId, slot: Arc<Slot>) -> SlotUse {
        SlotUse { registry: Arc::clone(self), id, slot: Some(slot), is_writer: false }
    }

    /// The number of the next question for a notebook.
    pub(crate) fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits until nobody holds the registry.
    pub(crate) fn wait_until_free(&self) {
        drop(self.lock());
    }

    /// The writer of this notebook, if it is active.
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

    /// Notes that this notebook, or each one, may have changed, and wakes its writer.
    pub(crate) fn hint(&self, id: Option<&NotebookId>) {
        let slots = self.lock();
        let one = id.map(|id| slots.by_id.get(id));
        let concerned: Vec<_> = one.map_or_else(|| slots.by_id.values().collect(), |one| one.into_iter().collect());
        for slot in concerned {
            // First the hint, then the look at whether there is a writer to wake: one that is being started looks for
            // hints when it begins.
            slot.hinted.store(true, Ordering::SeqCst);
            if let Some(handle) = slot.handle.get() {
                let _ = handle.commands.try_send(Command::Refresh { newer: None, reply: None }); // with a full queue it is awake
            }
        }
    }

    /// As [`Self::hint`], unless a version is given, which the writer may know by now; waits until the writer, if there is one,
    /// has looked.
    pub(crate) async fn catch_up(&self, id: &NotebookId, newer: Option<StoredVersion>) {
        if newer.is_none() {
            self.hint(Some(id));
        }
        let handle = self.lock().by_id.get(id).and_then(|slot| slot.handle.get().cloned());
        let Some(handle) = handle else { return };
        let (reply, has_looked) = oneshot::channel();
        // A writer that has ended needs not look any more.
        if handle.commands.send(Command::Refresh { newer, reply: Some(reply) }).await.is_ok() {
            let _ = has_looked.await;
        }
    }

    /// The active notebooks that are watched.
    pub(crate) fn watched(&self) -> Vec<(NotebookId, Handle)> {
        let slots = self.lock();
        let active = slots.by_id.iter().filter_map(|(id, slot)| Some((id, slot.handle.get()?)));
        active.filter(|(_, handle)| handle.is_watched()).map(|(id, handle)| (id.clone(), handle.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two waiters for a notebook that is not there end at the same time, again and again: no slot stays behind.
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
