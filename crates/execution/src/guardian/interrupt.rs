//! The steps by which an execution is interrupted: a signal, a message that wakes the kernel's loop, and at last the kernel's end.

use std::time::Duration;

use tokio::time::Instant;

/// Time for the kernel to begin with the code, before which a signal would have no effect.
const BEGIN_TIMEOUT: Duration = Duration::from_millis(300);
/// Time from the signal to the message. An `await` at the top level notices the signal only when something wakes its loop
/// (ipykernel, issue 881).
const WAKE_AFTER: Duration = Duration::from_millis(50);
/// Time from the request to the signal TERM.
const TERM_AFTER: Duration = Duration::from_secs(2);
/// Time from the request to the signal KILL.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// A step of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Signal,
    Wake,
    Terminate,
    Kill,
}

/// An interrupt under way.
#[derive(Debug)]
pub(super) struct Interrupt {
    since: Instant,
    signalled: Option<Instant>,
    next: Step,
}

impl Interrupt {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, signalled: None, next: Step::Signal }
    }

    /// Returns the time of the next step. `has_begun`: the kernel is about to run the code.
    pub(super) fn due(&self, has_begun: bool) -> Instant {
        match self.next {
            Step::Signal if has_begun => self.since,
            Step::Signal => self.since + BEGIN_TIMEOUT,
            Step::Wake => self.signalled.unwrap_or(self.since) + WAKE_AFTER,
            Step::Terminate => self.since + TERM_AFTER,
            Step::Kill => self.since + KILL_AFTER,
        }
    }

    /// Returns the step to take, if it is time for one. The last one is repeated.
    pub(super) fn step(&mut self, now: Instant, has_begun: bool) -> Option<Step> {
        if now < self.due(has_begun) {
            return None;
        }
        let step = self.next;
        self.next = match step {
            Step::Signal => {
                self.signalled = Some(now);
                Step::Wake
            }
            Step::Wake => Step::Terminate,
            Step::Terminate | Step::Kill => Step::Kill,
        };
        Some(step)
    }
}
