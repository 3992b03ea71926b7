//! Idempotent requests: a request that is repeated after a lost response takes effect once.
//!
//! A request that its client may repeat has a key. Its outcome is stored as an idempotency record together with the change,
//! so the store decides which repetition takes effect. The record is looked up before the request is executed, and again
//! after a refusal, because the refusal may be due to the same request at another server. Within this process, requests with
//! one key run one after the other. A request continues after its client has disconnected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord, RecordLookup, RequestDigest, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::in_flight::InFlightKeys;
use crate::{NotebookService, ServiceError};

/// Number of stored records after which expired ones are deleted.
const CLEANUP_AFTER: u32 = 64;
/// Maximum users whose records are counted; beyond it, all counts are reset.
const MAX_COUNTED: usize = 10_000;

/// The identity of a request among those of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The key: equal for the request and its repetitions, and for no other request.
    pub key: IdempotencyKey,
    /// The digest of the request, because the same key with another request is refused.
    pub request: RequestDigest,
}

/// The outcome of an idempotent request.
#[derive(Clone, Debug)]
pub struct IdempotentOutcome<T> {
    /// The value that the call returned.
    pub outcome: T,
    /// `true` if an earlier call returned it.
    pub is_replay: bool,
}

/// The text of a record.
#[derive(Debug, Serialize, Deserialize)]
struct StoredOutcome<T> {
    /// The notebook that was changed, perhaps at another server.
    notebook: NotebookId,
    outcome: T,
}

/// The user of a request that changes something, and its key if it may be repeated.
///
/// A change with a key is stored with an idempotency record. A context with a key is therefore for calls within
/// [`NotebookService::idempotent`]; elsewhere the store refuses a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// The user who makes the request.
    pub user: UserId,
    /// The key of the request; absent if its client will not repeat it.
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
    /// Returns the idempotency record to store with a change of this notebook; `None` for a request without a key.
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
    /// Executes `call` once for each key of the user. A repeated request gets the outcome of the first one. Without a key,
    /// `call` is always executed.
    ///
    /// `call` makes, with the context that it gets, one call that changes something, and returns its result. It is executed
    /// only for a new request, so checks that could refuse a repetition, such as a precondition, belong in it. If the returned
    /// future is dropped, `call` continues.
    ///
    /// # Errors
    /// Returns the error of `call`, which is not stored. Returns [`ServiceError::KeyReused`] if the key belongs to another
    /// request, [`ServiceError::Unfinished`] if the outcome is unknown, and an error if the store fails.
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
        // The call runs in its own task, so that a disconnect of the client does not leave the request unfinished.
        let task = self.shared.runtime.spawn(async move {
            let outcome = call(context).await;
            let result = match outcome {
                Ok(outcome) => {
                    service.count_record(&user);
                    Ok(IdempotentOutcome { outcome, is_replay: false })
                }
                // The refusal may be due to the same request at another server.
                Err(refusal) => match service.replay(&user, key).await {
                    Ok(replayed) => replayed.ok_or(refusal),
                    Err(reused @ ServiceError::KeyReused) => Err(reused.into()),
                    // The look-up failed, so it is unknown whether the refusal is true.
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "cannot look for an outcome after a refusal");
                        Err(ServiceError::Unfinished.into())
                    }
                },
            };
            drop(in_flight);
            result
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
        let Some(record) = store.record(RecordLookup { user, key: key.key, now }).await? else { return Ok(None) };
        drop(store);
        if record.request != key.request {
            return Err(ServiceError::KeyReused);
        }
        let StoredOutcome { notebook, outcome } = serde_json::from_str(&record.outcome).map_err(|error| {
            StoreError::Backend { action: "read the outcome of a request".to_owned(), source: Box::new(error) }
        })?;
        // Another server may have made the change. A client that has the outcome must find the change here too, and so must
        // watchers.
        let _ = self.shared.registry.catch_up(&notebook, None).await; // a failed refresh is retried
        Ok(Some(IdempotentOutcome { outcome, is_replay: true }))
    }

    /// Counts a stored record, and deletes expired records periodically in the background.
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
    /// Counts a record. Periodically, beginning with the first one, returns the users who may have too many records.
    fn count(&self, user: &UserId) -> Option<Vec<UserId>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.of_user.len() >= MAX_COUNTED {
            counts.of_user.clear();
        }
        let of_user = counts.of_user.entry(user.clone()).or_default();
        *of_user += 1;
        let users = if *of_user >= CLEANUP_AFTER { vec![user.clone()] } else { Vec::new() };
        if !users.is_empty() {
            counts.of_user.remove(user);
        }
        let is_due = counts.all.is_multiple_of(CLEANUP_AFTER) || !users.is_empty();
        counts.all = counts.all.wrapping_add(1);
        is_due.then_some(users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_with_many_records_is_named_and_cleanup_is_periodic() {
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
