//! Look-ups of stored versions, one for every read of an active notebook. Concurrent look-ups share one statement, so that
//! their cost does not grow with the number of readers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quire_domain::NotebookId;
use quire_storage::{StoreError, StoredVersion};
use tokio::sync::oneshot;

use crate::context::ServiceContext;
use crate::error::repeat;
use crate::published::Published;

/// Maximum notebooks of one statement.
pub(crate) const MAX_IDS: usize = 1_000;
/// Time after which a look-up is retried on a store that was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    /// The time of the last look-up while the store is away; absent otherwise.
    away_since: Option<Instant>,
}

impl Lookups {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceContext {
    /// Looks up the version of a stored notebook, with a statement that begins after this call. While the store is away, the
    /// call fails at once, and the look-up is retried in the background.
    ///
    /// # Errors
    /// Returns the errors of [`quire_storage::NotebookQueries::fresh_versions`].
    pub(crate) async fn look_up(self: &Arc<Self>, id: &NotebookId) -> Outcome {
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.lookups.lock();
            let is_first = queue.waiting.is_empty();
            if let Some(asked) = queue.away_since {
                if is_first && asked.elapsed() >= RETRY_AFTER {
                    queue.waiting.entry(id.clone()).or_default();
                    self.runtime.spawn(answer_waiting(Arc::clone(self)));
                }
                return Err(away());
            }
            queue.waiting.entry(id.clone()).or_default().push(reply);
            if is_first {
                self.runtime.spawn(answer_waiting(Arc::clone(self)));
            }
        }
        answer.await.unwrap_or_else(|_panicked| Err(away()))
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { reason: "it did not answer a moment ago".to_owned(), source: None }
}

/// Replies to all look-ups that wait when the previous statement has ended.
async fn answer_waiting(shared: Arc<ServiceContext>) {
    let _turn = shared.lookups.turn.lock().await;
    let store = shared.store.for_service().await;
    let mut waiting: Vec<_> = std::mem::take(&mut shared.lookups.lock().waiting).into_iter().collect();
    while !waiting.is_empty() {
        let batch = waiting.split_off(waiting.len().saturating_sub(MAX_IDS));
        let ids: Vec<_> = batch.iter().map(|(id, _)| id.clone()).collect();
        let outcome = store.fresh_versions(&ids).await;
        let is_away = matches!(outcome, Err(StoreError::Unavailable { .. }));
        shared.lookups.lock().away_since = is_away.then(Instant::now);
        let found = outcome.map(|found| found.into_iter().map(|one| (one.id.clone(), one)).collect::<HashMap<_, _>>());
        for (id, replies) in batch {
            for reply in replies {
                let answer = found.as_ref().map(|found| found.get(&id).cloned()).map_err(repeat);
                let _ = reply.send(answer); // the caller may be gone
            }
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
        if stored.version == now.version || is_later { Self::Current } else { Self::Lost }
    }
}
