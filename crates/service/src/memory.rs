//! The memory that active notebooks may take together: accounted by user, in estimated bytes.
//!
//! Opening or importing a notebook, and building its graph for readers, makes room first by evicting other notebooks, and
//! waits until they have ended; it is refused where none can be evicted and none is ending.
//! An edit does not wait, since a writer that waited for another one to end could be waited for by it: what it adds is
//! accounted when it is published, and if that is too much, notebooks are evicted afterwards. Whoever takes the most makes
//! room first, so that one user's notebooks do not push out another's.

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

/// Maximum time that work waits for notebooks that are being evicted, well below the time that a request may take.
const MAX_EVICTION_WAIT: Duration = Duration::from_secs(10);

/// The bytes that active notebooks take, and the budget for them.
#[derive(Debug)]
pub(crate) struct Memory {
    budget: usize,
    totals: Mutex<Totals>,
    /// Notified when bytes are released, and when a notebook that was to be evicted stays.
    released: Notify,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) by_user: HashMap<UserId, usize>,
    all: usize,
    /// Bytes of the notebooks that are being evicted.
    evicting: usize,
}

/// The bytes that are accounted for one thing in memory. They change only while [`Memory::totals`] is locked.
#[derive(Debug)]
pub(crate) struct Account {
    memory: Arc<Memory>,
    user: UserId,
    bytes: AtomicUsize,
    is_evicting: AtomicBool,
}

/// Bytes accounted to a user until this is dropped. What takes them must be dropped before.
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

    /// Takes [`Self::begin_eviction`] back.
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

    /// Accounts so many bytes in place of those before, whether or not there is room for them.
    pub(crate) fn set(&self, bytes: usize) {
        self.0.set(&mut self.0.memory.totals(), bytes);
    }

    /// As [`Self::set`], if there is room.
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

    /// The bytes that one notebook may take: half of all, since a notebook that others have changed is in memory twice
    /// while it is taken over.
    pub(crate) fn max_of_one(&self) -> usize {
        self.budget / 2
    }

    /// Checks that a notebook of so many bytes can be active at all.
    ///
    /// # Errors
    /// [`ServiceError::NotebookTooLarge`] naming the limit.
    pub(crate) fn check_one(&self, id: &NotebookId, bytes: usize) -> Result<(), ServiceError> {
        let max = self.max_of_one();
        if bytes > max {
            return Err(ServiceError::NotebookTooLarge { id: id.clone(), bytes, max });
        }
        Ok(())
    }

    /// A charge of nothing yet.
    fn charge_nothing(self: &Arc<Self>, user: &UserId) -> Charge {
        let (bytes, is_evicting) = (AtomicUsize::new(0), AtomicBool::new(false));
        Charge(Arc::new(Account { memory: Arc::clone(self), user: user.clone(), bytes, is_evicting }))
    }

    /// The bytes that further evictions must release before there is room for so many more.
    fn missing(&self, more: usize) -> usize {
        let totals = self.totals();
        (totals.all + more).saturating_sub(totals.evicting + self.budget)
    }

    /// Returns `true` while notebooks that are to make room have not ended yet.
    fn is_evicting(&self) -> bool {
        self.totals().evicting > 0
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        // The numbers fit each other between any two statements, so a panic elsewhere leaves nothing broken in them.
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accounts so many bytes to the user, after other notebooks have made room where that is needed. Must not be called by a
/// writer.
///
/// # Errors
/// As [`grow`].
pub(crate) async fn charge(shared: &ServiceContext, user: &UserId, bytes: usize) -> Result<Charge, ServiceError> {
    let charge = shared.limits.memory.charge_nothing(user);
    grow(shared, &charge, bytes, eviction_deadline()).await?;
    Ok(charge)
}

/// The time by which room that is needed from now on must have been made.
pub(crate) fn eviction_deadline() -> Instant {
    Instant::now() + MAX_EVICTION_WAIT
}

/// Accounts so many bytes in place of those before, after other notebooks have made room where that is needed, until the
/// deadline. Must not be called by a writer.
///
/// # Errors
/// [`ServiceError::MemoryFull`] when none of the user's notebooks is idle, no other user takes more than this one would, and
/// no notebook that is ending makes room in time.
pub(crate) async fn grow(
    shared: &ServiceContext,
    charge: &Charge,
    bytes: usize,
    deadline: Instant,
) -> Result<(), ServiceError> {
    let (memory, user) = (&shared.limits.memory, &charge.account().user);
    loop {
        // Before looking for room, so that what is released from then on is not missed.
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

/// Begins to evict notebooks while all together take more than they may.
pub(crate) fn evict_excess(shared: &ServiceContext) {
    evict(shared, None);
}

/// Begins to evict as many notebooks as make room for what is wanted, as far as that is possible, and does not wait for them.
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

    /// A graph is accounted as long as a reader holds it, also when its notebook has changed since.
    #[tokio::test]
    async fn a_graph_counts_until_nobody_holds_it() {
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
