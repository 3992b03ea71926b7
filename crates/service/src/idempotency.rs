//! Idempotent requests: one that comes again, because its answer was lost, has its effect once.
//!
//! A request that its client may repeat comes with a key. Its outcome is stored as an idempotency record with the change
//! itself, so the store decides. The store is asked before anything is done, and once more after a refusal, because the
//! refusal may be the effect of the same request at another server. Within this process, requests with one key
//! run one after the other. A request goes on when its client goes away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord, RecordLookup, RequestDigest, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::in_flight::InFlightKeys;
use crate::{NotebookService, ServiceError};

/// Number of stored records after which those that count no more are deleted.
const TIDY_AFTER: u32 = 64;
/// Maximum users whose records are counted; beyond it, counting begins anew.
const MAX_COUNTED: usize = 10_000;

/// The identity of a request among those of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Names the request: equal for the request and its repetitions, and for no other.
    pub key: IdempotencyKey,
    /// A digest of the request itself: the same key with another request is refused.
    pub request: RequestDigest,
}

/// The outcome of a request that has its effect once.
#[derive(Clone, Debug)]
pub struct IdempotentOutcome<T> {
    /// The value that the call returned.
    pub outcome: T,
    /// `true` when an earlier call returned it.
    pub is_replay: bool,
}

/// The text of a record.
#[derive(Debug, Serialize, Deserialize)]
struct StoredOutcome<T> {
    /// The notebook that was changed, perhaps at another server.
    notebook: NotebookId,
    outcome: T,
}

/// On whose behalf a use case changes something, and under which key, if the request may come again.
///
/// A change that is made with a key carries the record of its outcome, so it is for the calls that
/// [`NotebookService::idempotent`] makes: elsewhere a repetition is refused by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// The user who makes the request.
    pub user: UserId,
    /// The key of the request; absent when its client will not repeat it.
    pub key: Option<RequestKey>,
}

impl From<UserId> for RequestContext {
    fn from(user: UserId) -> Self {
        Self { user, key: None }
    }
}

impl From<&UserId> for RequestContext {
    fn from(user: &UserId) -> Self {
        user.clone().into()
    }
}

impl From<&Self> for RequestContext {
    fn from(context: &Self) -> Self {
        context.clone()
    }
}

impl RequestContext {
    /// The record to store with something that was done to this notebook; nothing for a request without a key.
    pub(crate) fn record(
        &self,
        notebook: &NotebookId,
        outcome: &impl Serialize,
        at: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        let Some(RequestKey { key, request }) = self.key else { return Ok(None) };
        let done = StoredOutcome { notebook: notebook.clone(), outcome };
        let outcome = serde_json::to_string(&done).map_err(|error| StoreError::Backend {
            action: "write the outcome of a request down".to_owned(),
            source: Box::new(error),
        })?;
        Ok(Some(IdempotencyRecord { user: self.user.clone(), key, request, outcome: outcome.into(), at }))
    }
}

/// The requests with a key that are in flight, and the clean-up of old records.
#[derive(Debug, Default)]
pub(crate) struct IdempotencyState {
    in_flight: Arc<InFlightKeys>,
    cleanup: CleanupTrigger,
}

impl NotebookService {
    /// Does what `call` does, once for each key of the user: when the request is here for the second time, its first outcome
    /// is returned again. Without a key, just does it.
    ///
    /// `call` makes, with the context that it gets, one call that changes something, and returns what that
    /// returned. It is not called before it is known that the request is new, so whatever could refuse a repetition, such
    /// as a precondition, belongs into it. When the returned future is dropped, it goes on.
    ///
    /// # Errors
    /// What `call` is refused with; refusals are not kept. [`ServiceError::KeyReused`] when the key came with another
    /// request, [`ServiceError::Unfinished`] when it cannot be told whether it had its effect, and whatever the store fails with.
    pub async fn idempotent<T, E, F>(
        &self,
        context: RequestContext,
        call: impl FnOnce(RequestContext) -> F + Send + 'static,
    ) -> Result<IdempotentOutcome<T>, E>
    where
        T: DeserializeOwned + Send + 'static,
        E: From<ServiceError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Some(key) = context.key else {
            return Ok(IdempotentOutcome { outcome: call(context).await?, is_replay: false });
        };
        self.check_open()?;
        let user = context.user.clone();
        let in_flight = self.idempotency.in_flight.enter((user.clone(), key.key)).await;
        if let Some(replayed) = self.replay(&user, key).await? {
            return Ok(replayed);
        }
        let service = self.clone();
        // A task of its own: when whoever sent the request goes away, its repetition must not find it half done.
        let task = self.shared.runtime.spawn(async move {
            let outcome = call(context).await;
            let answered = match outcome {
                Ok(outcome) => {
                    service.count_record(&user);
                    Ok(IdempotentOutcome { outcome, is_replay: false })
                }
                // It may be refused because it has had its effect, at another server.
                Err(refusal) => match service.replay(&user, key).await {
                    Ok(replayed) => replayed.ok_or(refusal),
                    Err(reused @ ServiceError::KeyReused) => Err(reused.into()),
                    // Nobody can say now whether the refusal is true.
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "cannot look for an outcome after a refusal");
                        Err(ServiceError::Unfinished.into())
                    }
                },
            };
            drop(in_flight);
            answered
        });
        task.await.unwrap_or_else(|_panicked| Err(ServiceError::Unfinished.into()))
    }

    /// Looks for the outcome of an earlier request of this user with this key.
    async fn replay<T: DeserializeOwned>(
        &self,
        user: &UserId,
        key: RequestKey,
    ) -> Result<Option<IdempotentOutcome<T>>, ServiceError> {
        let now = self.shared.sources.now();
        let store = self.shared.store.short(user).await?;
        let Some(kept) = store.record(RecordLookup { user, key: key.key, now }).await? else { return Ok(None) };
        drop(store);
        if kept.request != key.request {
            return Err(ServiceError::KeyReused);
        }
        let StoredOutcome { notebook, outcome } = serde_json::from_str(&kept.outcome).map_err(|error| {
            StoreError::Backend { action: "read the outcome of a request".to_owned(), source: Box::new(error) }
        })?;
        // It may have been changed at another server: whoever has the answer must find the change here too.
        self.shared.registry.catch_up(&notebook, None).await;
        Ok(Some(IdempotentOutcome { outcome, is_replay: true }))
    }

    /// Counts a record that was stored, and now and then has those deleted that count no more.
    fn count_record(&self, user: &UserId) {
        let Some(users) = self.idempotency.cleanup.count(user) else { return };
        let (shared, user) = (Arc::clone(&self.shared), user.clone());
        self.shared.runtime.spawn(async move {
            let delete = async || {
                let store = shared.store.slow(&user).await?;
                Ok::<_, ServiceError>(store.delete_old_records(&users, shared.sources.now()).await?)
            };
            if let Err(error) = delete().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot delete old idempotency records");
            }
        });
    }
}

/// The number of records that were stored since old ones were deleted.
#[derive(Debug, Default)]
struct CleanupTrigger(Mutex<RecordCounts>);

#[derive(Debug, Default)]
struct RecordCounts {
    all: u32,
    of_user: HashMap<UserId, u32>,
}

impl CleanupTrigger {
    /// Counts a record. From time to time, the first time included, returns the users who may have too many records by now.
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
}
