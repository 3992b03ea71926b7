//! Idempotency records, by which a request that is sent again has its effect once.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quire_domain::{Timestamp, UserId};

use crate::StoreError;

/// The name of a request among those of one user: a digest of what makes two requests the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(pub [u8; 32]);

/// A digest of what a request asks for, by which the reuse of a key for another request is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestDigest(pub [u8; 32]);

/// The outcome of a request that had its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The user who sent the request. Records belong to users, not to notebooks: that of a deletion outlives its notebook.
    pub user: UserId,
    /// The request's key.
    pub key: IdempotencyKey,
    /// The digest of the request.
    pub request: RequestDigest,
    /// The outcome: a short text that only its author understands, and that holds no U+0000.
    pub outcome: Arc<str>,
    /// The time of the effect.
    pub at: Timestamp,
}

impl IdempotencyRecord {
    /// Time after which a record expires.
    pub const LIFE: Duration = Duration::from_hours(24);
    /// Maximum number of records of one user, once [`delete_old_records`](IdempotencyRepository::delete_old_records) has been
    /// called.
    pub const MAX: usize = 1_000;
    /// Maximum bytes of an outcome.
    pub const OUTCOME_BYTES: usize = 4_096;

    /// Returns `true` when the record has expired at this time.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.at <= Self::oldest(now)
    }

    /// Returns the time at or before which a record must have been made to have expired now.
    #[must_use]
    pub fn oldest(now: Timestamp) -> Timestamp {
        now - Self::LIFE
    }
}

/// A question for a record.
#[derive(Clone, Copy, Debug)]
pub struct RecordLookup<'a> {
    /// The user who sent the request.
    pub user: &'a UserId,
    /// The request's key.
    pub key: IdempotencyKey,
    /// The present time, at which a record may have expired.
    pub now: Timestamp,
}

/// The part of a [`NotebookStore`](crate::NotebookStore) that keeps idempotency records.
#[async_trait]
pub trait IdempotencyRepository: Debug + Send + Sync + 'static {
    /// Stores the records of requests that found nothing to change, all or none.
    ///
    /// # Errors
    /// [`StoreError::AlreadyRecorded`], or when the store fails; the records may be stored all the same.
    async fn put_records(&self, records: &[IdempotencyRecord]) -> Result<(), StoreError>;

    /// Returns the record of a user's key. One that has expired is deleted instead, so that its key can be used again.
    ///
    /// # Errors
    /// When the store fails.
    async fn record(&self, lookup: RecordLookup<'_>) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Deletes records of all users that have expired by now, and of each of these users all but the newest
    /// [`IdempotencyRecord::MAX`]. One call takes a moment at most, and may leave some to the next.
    ///
    /// # Errors
    /// When the store fails.
    async fn delete_old_records(&self, users: &[UserId], now: Timestamp) -> Result<(), StoreError>;
}

/// Writes the first half of a digest's digits, which tell digests apart for people.
fn short(digest: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    digest.iter().take(16).try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, f)
    }
}

impl Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, f)
    }
}
