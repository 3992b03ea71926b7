//! The memory of active notebooks, accounted by user in estimated bytes.
//!
//! The opening or import of a notebook, and the building of its graph for readers, evict other notebooks if they need room,
//! and wait until those have ended. They are refused if no notebook can be evicted and none is ending.
//! An edit does not wait, because two writer tasks could wait for each other. Its addition is accounted when it is published,
//! and notebooks are evicted afterwards if the total is too high. Notebooks of the user with the most bytes are evicted first,
//! so that one user's notebooks do not displace another's.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quire_domain::{NotebookId, UserId};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::ServiceError;
use crate::context::ServiceContext;

/// Maximum time for which work waits for evictions, well below the time-out of a request.
const MAX_EVICTION_WAIT: Duration = Duration::from_secs(10);

/// The bytes of active notebooks, and the budget for them.
#[derive(Debug)]
pub(crate) struct Memory {
    budget: usize,
    totals: Mutex<Totals>,
    /// Notified when bytes are released, and when an eviction is cancelled.
    released: Notify,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) by_user: HashMap<UserId, usize>,
    all: usize,
    /// Bytes of the notebooks that are being evicted.
    evicting: usize,
}

/// The account of one object in memory. Its bytes change only while [`Memory::totals`] is locked.
#[derive(Debug)]
pub(crate) struct Account {
    memory: Arc<Memory>,
    user: UserId,
    bytes: AtomicUsize,
    is_evicting: AtomicBool,
}

/// Bytes accounted to a user until the charge is dropped. The object in memory must be dropped before its charge.
#[derive(Debug)]
pub(crate) struct Charge(Arc<Account>);

impl Account {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns `true` while the notebook is being evicted, or is ending for another reason.
    pub(crate) fn is_evicting(&self) -> bool {
        self.is_evicting.load(Ordering::Relaxed)
    }

    /// Counts the bytes among those that are about to be released.
    pub(crate) fn begin_eviction(&self) {
        let mut totals = self.memory.totals();
        if !self.is_evicting.swap(true, Ordering::Relaxed) {
            totals.evicting += self.bytes();
        }
    }

    /// Reverses [`Self::begin_eviction`].
    pub(crate) fn cancel_eviction(&self) {
        let mut totals = self.memory.totals();
        if self.is_evicting.swap(false, Ordering::Relaxed) {
            totals.evicting -= self.bytes();
        }
        drop(totals);
        self.memory.released.notify_waiters();
    }

    fn set(&self, totals: &mut Totals, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        totals.all = totals.all + bytes - before;
        if self.is_evicting() {
            totals.evicting = totals.evicting + bytes - before;
        }
        let of_user = totals.by_user.entry(self.user.clone()).or_default();
        *of_user = *of_user + bytes - before;
        if *of_user == 0 {
            totals.by_user.remove(&self.user);
        }
        if bytes < before {
            self.memory.released.notify_waiters();
        }
    }
}

impl Charge {
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.0
    }

    /// Replaces the accounted bytes, even if there is no room for them.
    pub(crate) fn set(&self, bytes: usize) {
        self.0.set(&mut self.0.memory.totals(), bytes);
    }

    /// Replaces the accounted bytes if there is room. Returns `false` if there is none.
    fn try_set(&self, bytes: usize) -> bool {
        let mut totals = self.0.memory.totals();
        let fits = totals.all + bytes <= self.0.memory.budget + self.0.bytes();
        if fits {
            self.0.set(&mut totals, bytes);
        }
        fits
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Memory {
    pub(crate) fn new(budget: usize) -> Arc<Self> {
        Arc::new(Self { budget, totals: Mutex::default(), released: Notify::new() })
    }

    /// Returns the maximum bytes of one notebook: half of the budget, because a notebook that another server has changed is in
    /// memory twice while it is taken over.
    pub(crate) fn max_of_one(&self) -> usize {
        self.budget / 2
    }

    /// Checks the bytes of one notebook against their maximum.
    ///
    /// # Errors
    /// Returns [`ServiceError::NotebookTooLarge`] with the limit.
    pub(crate) fn check_one(&self, id: &NotebookId, bytes: usize) -> Result<(), ServiceError> {
        let max = self.max_of_one();
        if bytes > max {
            return Err(ServiceError::NotebookTooLarge { id: id.clone(), bytes, max });
        }
        Ok(())
    }

    /// Creates a charge of 0 bytes.
    fn charge_nothing(self: &Arc<Self>, user: &UserId) -> Charge {
        let (bytes, is_evicting) = (AtomicUsize::new(0), AtomicBool::new(false));
        Charge(Arc::new(Account { memory: Arc::clone(self), user: user.clone(), bytes, is_evicting }))
    }

    /// Returns the bytes that further evictions must release before there is room for so many more.
    fn missing(&self, more: usize) -> usize {
        let totals = self.totals();
        (totals.all + more).saturating_sub(totals.evicting + self.budget)
    }

    /// Returns `true` while evicted notebooks have not ended yet.
    fn is_evicting(&self) -> bool {
        self.totals().evicting > 0
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        // The numbers are consistent between any two statements, so a panic elsewhere leaves them intact.
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Charges bytes to the user, after the eviction of other notebooks if there is no room. Must not be called by a writer task.
///
/// # Errors
/// Returns the errors of [`grow`].
pub(crate) async fn charge(shared: &ServiceContext, user: &UserId, bytes: usize) -> Result<Charge, ServiceError> {
    let charge = shared.limits.memory.charge_nothing(user);
    grow(shared, &charge, bytes, eviction_deadline()).await?;
    Ok(charge)
}

/// Returns the deadline for evictions that begin now.
pub(crate) fn eviction_deadline() -> Instant {
    Instant::now() + MAX_EVICTION_WAIT
}

/// Replaces the bytes of a charge, after the eviction of other notebooks if there is no room, until the deadline. Must not be
/// called by a writer task.
///
/// # Errors
/// Returns [`ServiceError::MemoryFull`] if none of the user's notebooks is idle, no other user has more bytes than this one
/// would have, and no ending notebook releases enough bytes in time.
pub(crate) async fn grow(
    shared: &ServiceContext,
    charge: &Charge,
    bytes: usize,
    deadline: Instant,
) -> Result<(), ServiceError> {
    let (memory, user) = (&shared.limits.memory, &charge.account().user);
    loop {
        // The notification is enabled before the attempt, so that no release after it is missed.
        let mut released = pin!(memory.released.notified());
        released.as_mut().enable();
        if charge.try_set(bytes) {
            return Ok(());
        }
        evict(shared, Some((user, bytes.saturating_sub(charge.account().bytes()))));
        if !memory.is_evicting() && !charge.try_set(bytes) {
            return Err(ServiceError::MemoryFull);
        }
        timeout_at(deadline, released).await.map_err(|_elapsed| ServiceError::MemoryFull)?;
    }
}

/// Begins to evict notebooks if all together exceed the budget.
pub(crate) fn evict_excess(shared: &ServiceContext) {
    evict(shared, None);
}

/// Begins to evict notebooks, as far as possible, until there is room for the wanted bytes; does not wait for their end.
fn evict(shared: &ServiceContext, wanted: Option<(&UserId, usize)>) {
    let missing = shared.limits.memory.missing(wanted.map_or(0, |(_, bytes)| bytes));
    if missing > 0 {
        let by_user = shared.limits.memory.totals().by_user.clone();
        shared.registry.evict(by_user, wanted, missing);
    }
}

#[cfg(test)]
mod tests {
    use quire_domain::Edit;
    use quire_storage_json::JsonNotebookStore;

    use crate::{NotebookService, Options};

    use super::*;

    /// Tests that a graph is accounted as long as a reader holds it, even after its notebook has changed.
    #[tokio::test]
    async fn a_graph_is_accounted_until_its_last_reader_drops_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = JsonNotebookStore::open(dir.path(), quire_storage_json::Options::default()).unwrap();
        let service = NotebookService::new(Arc::new(store), Options::default()).unwrap();
        let ann = UserId::new("ann").unwrap();
        let id = service.create(&ann).await.unwrap();
        let (published, graph) = service.graph(&ann, &id).await.unwrap();
        drop(published);
        service.edit(&ann, &id, None, Edit::Rename { name: "another".to_owned() }).await.unwrap();
        let accounted = || service.shared.limits.memory.totals().all;
        let (before, bytes) = (accounted(), graph.memory_bytes());
        drop(graph);
        assert_eq!(before - accounted(), bytes);
    }
}
