//! Requests that come again, because their answer was lost: each has its effect once.
//!
//! A request that its sender may repeat comes with a key. What was answered to it is kept by the store with the change
//! itself, so the store is who decides; it is asked before anything is done, and once more after a refusal, since it may
//! be that the request was here before, at another server, that made it so. Within this process, requests with one key
//! come one after the other: a second one waits for the first. The first goes on when whoever sent it goes away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord, RecordLookup, RequestDigest, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{NotebookService, ServiceError};

/// After so many kept answers, those that count no more are forgotten.
const TIDY_AFTER: u32 = 64;
/// Users whose answers are counted; beyond it, counting begins anew.
const MAX_COUNTED: usize = 10_000;

/// What makes a request the same as an earlier one of the same user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Names the request: equal for the request and its repetitions, and for no other.
    pub key: IdempotencyKey,
    /// What it wants: the same key with another request is refused.
    pub request: RequestDigest,
}

/// An answer to a request that has its effect once.
#[derive(Clone, Debug)]
pub struct IdempotentOutcome<T> {
    /// What came of it.
    pub outcome: T,
    /// Whether it is what came of it earlier.
    pub is_replay: bool,
}

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
struct StoredOutcome<T> {
    /// The notebook that was changed, perhaps at another server.
    notebook: NotebookId,
    outcome: T,
}

/// A request whose answer is to be kept with its change.
#[derive(Debug)]
pub(crate) struct IdempotencyContext {
    user: UserId,
    key: RequestKey,
}

impl IdempotencyContext {
    /// The answer to keep, of something that was done to this notebook.
    pub(crate) fn answer(
        &self,
        notebook: &NotebookId,
        outcome: &impl Serialize,
        at: Timestamp,
    ) -> Result<IdempotencyRecord, StoreError> {
        let done = StoredOutcome { notebook: notebook.clone(), outcome };
        let outcome = serde_json::to_string(&done).map_err(|error| StoreError::Backend {
            action: "write an answer down".to_owned(),
            source: Box::new(error),
        })?;
        let RequestKey { key, request } = self.key;
        Ok(IdempotencyRecord { user: self.user.clone(), key, request, outcome: outcome.into(), at })
    }
}

impl NotebookService {
    /// Does what `call` does, once for each key of the user: when the request is here for the second time, its first answer
    /// is given again. Without a key, just does it.
    ///
    /// `call` gets a service, on which it calls, as that user, one use case that changes something, and returns what that
    /// returned. It is not called before it is known that the request is new, so whatever could refuse a repetition, such
    /// as a precondition, belongs into it. When the returned future is dropped, it goes on.
    ///
    /// # Errors
    /// What `call` is refused with; refusals are not kept. [`ServiceError::KeyReused`] when the key came with another
    /// request, [`ServiceError::Unfinished`] when it cannot be told whether it had its effect, and whatever the store fails with.
    pub async fn idempotent<T, E, F>(
        &self,
        user: &UserId,
        key: Option<RequestKey>,
        call: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<IdempotentOutcome<T>, E>
    where
        T: DeserializeOwned + Send + 'static,
        E: From<ServiceError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Some(key) = key else {
            return Ok(IdempotentOutcome { outcome: call(self.clone()).await?, is_replay: false });
        };
        self.check_open()?;
        let context = Arc::new(IdempotencyContext { user: user.clone(), key });
        let in_flight = self.shared.in_flight.enter((user.clone(), key.key)).await;
        if let Some(replayed) = self.replay(&context).await? {
            return Ok(replayed);
        }
        let service = self.with_context(Arc::clone(&context));
        // A task of its own: when whoever sent the request goes away, its repetition must not find it half done.
        let task = self.shared.runtime.spawn(async move {
            let outcome = call(service.clone()).await;
            let answered = match outcome {
                Ok(outcome) => {
                    service.count_record(&context.user);
                    Ok(IdempotentOutcome { outcome, is_replay: false })
                }
                // It may be refused because it has had its effect, at another server.
                Err(refusal) => match service.replay(&context).await {
                    Ok(replayed) => replayed.ok_or(refusal),
                    Err(reused @ ServiceError::KeyReused) => Err(reused.into()),
                    // Nobody can say now whether the refusal is true.
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "cannot look for an answer after a refusal");
                        Err(ServiceError::Unfinished.into())
                    }
                },
            };
            drop(in_flight);
            answered
        });
        task.await.unwrap_or_else(|_panicked| Err(ServiceError::Unfinished.into()))
    }

    /// What was answered to this request earlier.
    async fn replay<T: DeserializeOwned>(
        &self,
        context: &IdempotencyContext,
    ) -> Result<Option<IdempotentOutcome<T>>, ServiceError> {
        let now = self.shared.clock.now();
        let store = self.shared.store.short(&context.user).await?;
        let lookup = RecordLookup { user: &context.user, key: context.key.key, now };
        let Some(kept) = store.record(lookup).await? else { return Ok(None) };
        drop(store);
        if kept.request != context.key.request {
            return Err(ServiceError::KeyReused);
        }
        let StoredOutcome { notebook, outcome } = serde_json::from_str(&kept.outcome).map_err(|error| {
            StoreError::Backend { action: "read a kept answer".to_owned(), source: Box::new(error) }
        })?;
        // It may have been changed at another server: whoever has the answer must find the change here too.
        self.shared.registry.catch_up(&notebook).await;
        Ok(Some(IdempotentOutcome { outcome, is_replay: true }))
    }

    /// Counts an answer that was kept, and now and then has those forgotten that count no more.
    fn count_record(&self, user: &UserId) {
        let Some(users) = self.shared.cleanup.count(user) else { return };
        let (shared, user) = (Arc::clone(&self.shared), user.clone());
        self.shared.runtime.spawn(async move {
            let forget = async || {
                Ok::<_, ServiceError>(
                    shared.store.slow(&user).await?.delete_old_records(&users, shared.clock.now()).await?,
                )
            };
            if let Err(error) = forget().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot forget old answers");
            }
        });
    }
}

/// The requests under way that have a key.
#[derive(Debug, Default)]
pub(crate) struct InFlightKeys(Mutex<HashMap<KeyOfUser, watch::Receiver<()>>>);

/// Whose request, and which.
type KeyOfUser = (UserId, IdempotencyKey);

/// A request under way; the next with its key may begin when this is dropped, however that comes.
#[derive(Debug)]
struct InFlightGuard {
    in_flight: Arc<InFlightKeys>,
    key: KeyOfUser,
    /// Closes when this is dropped, after the place has been left.
    _ended: watch::Sender<()>,
}

impl InFlightKeys {
    /// Waits until no other request with this key is under way.
    async fn enter(self: &Arc<Self>, key: KeyOfUser) -> InFlightGuard {
        loop {
            let mut other = {
                let mut requests = self.requests();
                let Some(other) = requests.get(&key) else {
                    let (ended, is_ended) = watch::channel(());
                    requests.insert(key.clone(), is_ended);
                    return InFlightGuard { in_flight: Arc::clone(self), key, _ended: ended };
                };
                other.clone()
            };
            while other.changed().await.is_ok() {}
        }
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<KeyOfUser, watch::Receiver<()>>> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight.requests().remove(&self.key);
    }
}

/// How many answers were kept since old ones were forgotten.
#[derive(Debug, Default)]
pub(crate) struct CleanupTrigger(Mutex<RecordCounts>);

#[derive(Debug, Default)]
struct RecordCounts {
    all: u32,
    of_user: HashMap<UserId, u32>,
}

impl CleanupTrigger {
    /// Counts an answer. From time to time, the first time included, returns whose answers may be too many by now.
    fn count(&self, user: &UserId) -> Option<Vec<UserId>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.of_user.len() >= MAX_COUNTED {
            counts.of_user.clear();
        }
        let of_user = counts.of_user.entry(user.clone()).or_default();
        *of_user += 1;
        let users = if *of_user >= TIDY_AFTER { vec![user.clone()] } else { Vec::new() };
        if !users.is_empty() {
            counts.of_user.remove(user);
        }
        let is_due = counts.all.is_multiple_of(TIDY_AFTER) || !users.is_empty();
        counts.all = counts.all.wrapping_add(1);
        is_due.then_some(users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_with_many_answers_is_named_and_old_ones_are_looked_for_now_and_then() {
        let (cleanup, ann, bob) = (CleanupTrigger::default(), UserId::new("ann").unwrap(), UserId::new("bob").unwrap());
        assert_eq!(cleanup.count(&bob), Some(Vec::new()), "what an earlier process left");
        let mut named = 0;
        for _ in 0..640 {
            named += cleanup.count(&ann).into_iter().filter(|users| users.contains(&ann)).count();
        }
        assert_eq!(named, 10);
        for number in 0..2 * MAX_COUNTED {
            cleanup.count(&UserId::new(format!("user-{number}")).unwrap());
        }
        assert!(cleanup.0.lock().unwrap().of_user.len() <= MAX_COUNTED);
    }

    #[tokio::test]
    async fn a_place_is_left_however_its_request_ends() {
        let in_flight = Arc::new(InFlightKeys::default());
        let key = || (UserId::new("ann").unwrap(), IdempotencyKey([1; 32]));
        let entered = in_flight.enter(key()).await;
        let next = tokio::spawn({
            let in_flight = Arc::clone(&in_flight);
            async move { drop(in_flight.enter(key()).await) }
        });
        let panicking = tokio::spawn(async move {
            let _entered = entered;
            panic!("as a test wants it");
        });
        assert!(panicking.await.unwrap_err().is_panic());
        next.await.unwrap();
        assert!(in_flight.requests().is_empty());
    }
}
