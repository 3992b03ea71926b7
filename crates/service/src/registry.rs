//! Which notebooks are active: at most one writer for each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::NotebookId;
use tokio::sync::{OnceCell, broadcast, mpsc, watch};

use crate::event::{Event, Published};
use crate::writer::Command;

/// How others reach a notebook's writer.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) published: watch::Receiver<Arc<Published>>,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    /// When it was last asked for, as a count of all such questions.
    pub(crate) used: Arc<AtomicU64>,
}

impl Handle {
    /// Waits until the writer has ended; the registry no longer has it then.
    pub(crate) async fn ended(mut self) {
        while self.published.changed().await.is_ok() {}
    }
}

/// A notebook's place in the registry, empty while its writer is being started; shared by all who wait for that.
type Slot = Arc<OnceCell<Handle>>;

/// The active notebooks.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<HashMap<NotebookId, Slot>>,
    uses: AtomicU64,
}

/// Somebody's use of a slot: a waiter's or the writer's own. When the last use of an empty slot ends, or the writer's,
/// the slot leaves the registry, whether the user returned, was cancelled or panicked.
#[derive(Debug)]
pub(crate) struct SlotUse {
    registry: Arc<Registry>,
    id: NotebookId,
    pub(crate) slot: Slot,
    is_writer: bool,
}

impl SlotUse {
    /// The use of the same slot by the writer that is being started in it.
    pub(crate) fn for_writer(&self) -> Self {
        let Self { registry, id, slot, .. } = self;
        Self { registry: Arc::clone(registry), id: id.clone(), slot: Arc::clone(slot), is_writer: true }
    }
}

impl Drop for SlotUse {
    fn drop(&mut self) {
        let mut slots = self.registry.lock();
        // Slots are only cloned under the lock: with two left, the registry's and this one, nobody else waits for it.
        let unused = self.slot.get().is_none() && Arc::strong_count(&self.slot) == 2;
        if (self.is_writer || unused) && slots.get(&self.id).is_some_and(|there| Arc::ptr_eq(there, &self.slot)) {
            slots.remove(&self.id);
        }
    }
}

impl Registry {
    /// The slot of this notebook, made if it is not there. When there are `most` others, also the active notebook
    /// that was not asked for the longest time and has no watcher, to be closed.
    pub(crate) fn slot(self: &Arc<Self>, id: &NotebookId, most: usize) -> (SlotUse, Option<Handle>) {
        let mut slots = self.lock();
        let mut oldest = None;
        if let Some(handle) = slots.get(id).and_then(|slot| slot.get()) {
            handle.used.store(self.tick(), Ordering::Relaxed);
        } else if slots.len() >= most {
            let idle = slots.values().filter_map(|slot| slot.get()).filter(|h| h.events.receiver_count() == 0);
            oldest = idle.min_by_key(|handle| handle.used.load(Ordering::Relaxed)).cloned();
        }
        let slot = Arc::clone(slots.entry(id.clone()).or_default());
        (SlotUse { registry: Arc::clone(self), id: id.clone(), slot, is_writer: false }, oldest)
    }

    /// The number of the next question for a notebook.
    pub(crate) fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// The writer of this notebook, if it is active.
    pub(crate) fn active(&self, id: &NotebookId) -> Option<Handle> {
        let slots = self.lock();
        let handle = slots.get(id)?.get()?;
        handle.used.store(self.tick(), Ordering::Relaxed);
        Some(handle.clone())
    }

    /// All active notebooks.
    pub(crate) fn all(&self) -> Vec<Handle> {
        self.lock().values().filter_map(|slot| slot.get().cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NotebookId, Slot>> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
