//! What a run tells while it goes on.

use std::fmt;
use std::time::Duration;

use crate::blocker::{self, Blocker};

/// News of a run, each one line for a person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// Another run is under way, and this one waits for its end. Told once.
    Waiting {
        /// Who runs.
        holders: Vec<Blocker>,
    },
    /// An earlier run was cut off in this step, which is now completed.
    Resuming {
        /// The step.
        name: String,
        /// When it was begun.
        begun: String,
    },
    /// A step was applied.
    Applied {
        /// The step.
        name: String,
        /// How long it took.
        took: Duration,
    },
    /// A step was taken back.
    Reverted {
        /// The step.
        name: String,
        /// How long it took.
        took: Duration,
    },
    /// A step did not get its locks in time. It let go of everything, so that nobody waits behind it, and tries again.
    Blocked {
        /// The step.
        name: String,
        /// Who was in the way.
        blockers: Vec<Blocker>,
        /// How often it was tried.
        tries: u32,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { holders } => write!(f, "waiting for another run to end: {}", blocker::list(holders)),
            Self::Resuming { name, begun } => {
                write!(f, "step {name} was begun at {begun} and not finished; completing it")
            }
            Self::Applied { name, took } => write!(f, "applied {name} ({} ms)", took.as_millis()),
            Self::Reverted { name, took } => write!(f, "took back {name} ({} ms)", took.as_millis()),
            Self::Blocked { name, blockers, tries } => {
                write!(f, "step {name} waits for {} (try {tries})", blocker::list(blockers))
            }
        }
    }
}
