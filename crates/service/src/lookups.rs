//! Look-ups of stored versions, one for every read of an active notebook. Concurrent look-ups share one statement, so that
//! their cost does not grow with the number of readers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use quire_domain::NotebookId;
use quire_storage::{StoreError, StoredVersion};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::context::ServiceContext;
use crate::error::repeat;
use crate::published::Published;

/// Maximum notebooks of one statement.
pub(crate) const MAX_IDS: usize = 1_000;
/// Time between two probes of a store that is away.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time-out of a look-up on one connection, so that a connection that hangs does not hold all readers up.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Outcome of a look-up: the stored version; absent for a missing notebook.
type Outcome = Result<Option<StoredVersion>, StoreError>;

/// The look-ups of a service.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    queue: Mutex<Queue>,
    /// Held while a statement is in flight. Further look-ups wait for the next statement.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: HashMap<NotebookId, Vec<oneshot::Sender<Outcome>>>,
    /// `true` while the store is away, and probed.
    is_away: bool,
}

impl Lookups {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceContext {
    /// Looks up the version of a stored notebook, with a statement that begins after this call. While the store is away, the
    /// call fails at once, and the store is probed in the background.
    ///
    /// # Errors
    /// Returns the errors of [`quire_storage::NotebookQueries::fresh_versions`].
    pub(crate) async fn look_up(self: &Arc<Self>, id: &NotebookId) -> Outcome {
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.lookups.lock();
            if queue.is_away {
                return Err(away());
            }
            let is_first = queue.waiting.is_empty();
            queue.waiting.entry(id.clone()).or_default().push(reply);
            if is_first {
                self.runtime.spawn(answer_waiting(Arc::clone(self)));
            }
        }
        answer.await.unwrap_or_else(|_panicked| Err(away()))
    }

    /// Looks versions up, on a second connection if the first one does not respond in time. A store that does not respond then
    /// either counts as away. The time includes the wait for a turn: look-ups go first, so that a turn that does not come means that
    /// the calls on all connections hang.
    ///
    /// # Errors
    /// Returns the errors of [`quire_storage::NotebookQueries::fresh_versions`].
    pub(crate) async fn fresh_versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        for _ in 0..2 {
            let look_up = async { self.store.for_service().await.fresh_versions(ids).await };
            if let Ok(outcome) = timeout(MAX_WAIT, look_up).await {
                return outcome;
            }
        }
        Err(StoreError::Unavailable { reason: "it does not answer in time".to_owned(), source: None })
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { reason: "it did not answer a moment ago".to_owned(), source: None }
}

/// Replies to all look-ups that wait when the previous statement has ended.
async fn answer_waiting(shared: Arc<ServiceContext>) {
    let _turn = shared.lookups.turn.lock().await;
    let mut waiting: Vec<_> = std::mem::take(&mut shared.lookups.lock().waiting).into_iter().collect();
    while !waiting.is_empty() {
        let mut batch = waiting.split_off(waiting.len().saturating_sub(MAX_IDS));
        let ids: Vec<_> = batch.iter().map(|(id, _)| id.clone()).collect();
        let outcome = shared.fresh_versions(&ids).await;
        if matches!(outcome, Err(StoreError::Unavailable { .. })) {
            let mut queue = shared.lookups.lock();
            // Further statements would fail too, and take as long.
            batch.append(&mut waiting);
            batch.extend(std::mem::take(&mut queue.waiting));
            if !std::mem::replace(&mut queue.is_away, true) {
                shared.runtime.spawn(probe(Arc::downgrade(&shared)));
            }
        }
        let found = outcome.map(|found| found.into_iter().map(|one| (one.id.clone(), one)).collect::<HashMap<_, _>>());
        for (id, replies) in batch {
            for reply in replies {
                let answer = found.as_ref().map(|found| found.get(&id).cloned()).map_err(repeat);
                let _ = reply.send(answer); // the caller may be gone
            }
        }
    }
}

/// Probes a store that is away until it responds.
async fn probe(shared: Weak<ServiceContext>) {
    loop {
        sleep(RETRY_AFTER).await;
        let Some(shared) = shared.upgrade() else { return };
        let probed = Arc::clone(&shared);
        // In a task of its own, so that the store is probed again after a panic.
        let probed = shared.runtime.spawn(async move { probed.fresh_versions(&[]).await }).await;
        if !matches!(probed, Ok(Err(StoreError::Unavailable { .. })) | Err(_)) {
            shared.lookups.lock().is_away = false;
            return;
        }
    }
}

/// Freshness of a published state: a look-up's result, compared with the states that were published at its begin and its end.
#[derive(Clone, Debug)]
pub(crate) enum Freshness {
    /// The published state was the stored one at some moment since the begin of the look-up.
    Current,
    /// This version is newer: another server has stored it, or this server has and is about to publish it.
    Newer(StoredVersion),
    /// The notebook is missing, or the database has lost the published state.
    Lost,
}

impl Freshness {
    pub(crate) fn of(stored: Option<&StoredVersion>, known: &Published, now: &Published) -> Self {
        let Some(stored) = stored else { return Self::Lost };
        if stored.life != now.notebook.life || stored.version > now.version {
            return Self::Newer(stored.clone());
        }
        let is_later = now.version != known.version;
        // A database that has lost history may give a version out again.
        let is_same = stored.version == now.version && stored.revision == now.notebook.revision;
        if is_same || is_later { Self::Current } else { Self::Lost }
    }
}
