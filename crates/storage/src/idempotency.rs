//! Answers that are kept, so that a request which is sent again has its effect once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quire_domain::{Timestamp, UserId};

/// Names a request among those of one user: a digest of what makes two requests the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(pub [u8; 32]);

/// A digest of what a request wants, so that a key that comes again with another wish is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestDigest(pub [u8; 32]);

/// The answer to a request that had its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Whose request it was. Answers belong to users, not to notebooks: that to a deletion outlives its notebook.
    pub user: UserId,
    /// Which request it was.
    pub key: IdempotencyKey,
    /// What it wanted.
    pub request: RequestDigest,
    /// What came of it: a short text that only the one who keeps it understands, and that holds no U+0000.
    pub outcome: Arc<str>,
    /// When.
    pub at: Timestamp,
}

impl IdempotencyRecord {
    /// How long an answer is kept.
    pub const LIFE: Duration = Duration::from_hours(24);
    /// How many answers are kept of one user, once [`forget_answers`](crate::NotebookStore::delete_old_records) has been called.
    pub const MAX: usize = 1_000;
    /// Bytes that an outcome may have.
    pub const OUTCOME_BYTES: usize = 4_096;

    /// Whether the answer counts no more at this time.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.at <= Self::oldest(now)
    }

    /// What was kept then, or before, counts no more at this time.
    #[must_use]
    pub fn oldest(now: Timestamp) -> Timestamp {
        now - Self::LIFE
    }
}

/// Half of the digits tell digests apart, for people.
fn short(digest: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&hex::encode(digest.get(..16).unwrap_or_default()))
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, f)
    }
}

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, f)
    }
}
