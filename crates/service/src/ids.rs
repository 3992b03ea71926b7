//! Sources of ids.

use std::fmt::Debug;

use uuid::Uuid;

/// A source of ids, for notebooks, cells, lives, commits and epochs.
pub trait IdSource: Debug + Send + Sync + 'static {
    /// Returns a number that no source, on this machine or another, has returned before.
    fn next_id(&self) -> Uuid;
}

/// A source of random ids of version 4 (RFC 9562, section 5.4), which cannot be guessed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next_id(&self) -> Uuid {
        #[expect(clippy::disallowed_methods, reason = "this is the source that everybody else must use")]
        Uuid::new_v4()
    }
}
