//! Where ids come from.

use std::fmt::Debug;

use uuid::Uuid;

/// A source of ids. Every id of a notebook, a cell, a life, a commit or an instance is made of one of its numbers.
pub trait IdSource: Debug + Send + Sync + 'static {
    /// Returns a number that no source has given out before, on this machine or another.
    fn next_id(&self) -> Uuid;
}

/// The machine's randomness: ids of version 4 (RFC 9562, section 5.4), which nobody can guess.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next_id(&self) -> Uuid {
        #[expect(clippy::disallowed_methods, reason = "this is the source that everybody else must use")]
        Uuid::new_v4()
    }
}
