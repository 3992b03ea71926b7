//! Progress of a run.

use std::fmt;
use std::time::Duration;

use crate::blocker::{self, Blocker};

/// Progress of a run; each event displays as one line for a person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// Another run is in progress, and this one waits for its end. Reported once.
    Waiting {
        /// Sessions of the other run.
        holders: Vec<Blocker>,
    },
    /// An earlier run was interrupted in this step, which is completed now.
    Resuming {
        /// Name of the step.
        name: String,
        /// Time at which it was begun.
        begun: String,
    },
    /// A step was applied.
    Applied {
        /// Name of the step.
        name: String,
        /// Duration of the step.
        took: Duration,
    },
    /// A step was taken back.
    Reverted {
        /// Name of the step.
        name: String,
        /// Duration of the step.
        took: Duration,
    },
    /// A step did not get its locks in time. It was rolled back, so that no session waits behind it, and is retried.
    Blocked {
        /// Name of the step.
        name: String,
        /// Sessions that blocked it.
        blockers: Vec<Blocker>,
        /// Number of attempts so far.
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
