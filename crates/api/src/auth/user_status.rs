//! The status of one user, active or not, as a state machine: time is an argument, and it does no I/O.

use std::time::{Duration, Instant};

/// Time in which a report of the directory counts without a new one.
const FRESH: Duration = Duration::from_secs(5);
/// Time in which a report still counts while the directory is unavailable, so that notebooks in memory can be read meanwhile.
const USABLE: Duration = Duration::from_hours(24);
/// Time after a failure before the directory is asked for the same user again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The last report and the last failure of the directory for one user.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UserStatus {
    /// The last report, `true` for active, and its time.
    pub(super) report: Option<(bool, Instant)>,
    /// Time of the last failure, unless a report has come since.
    pub(super) failed: Option<Instant>,
}

/// The next step for a user who signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusAction {
    /// Take the user as active, or as inactive.
    Take(bool),
    /// Ask the directory. Holds the stale report, if there is one that still counts.
    Ask(Option<bool>),
    /// Fail: the directory is unavailable and no report counts.
    Refuse,
}

impl UserStatus {
    pub(super) fn next(&self, now: Instant) -> StatusAction {
        let is_within = |then: Instant, limit| now.duration_since(then) < limit;
        let may_ask = self.failed.is_none_or(|failed| !is_within(failed, AGAIN_AFTER));
        match self.report {
            Some((is_active, report)) if is_within(report, FRESH) => StatusAction::Take(is_active),
            Some((is_active, report)) if is_within(report, USABLE) => {
                if may_ask {
                    StatusAction::Ask(Some(is_active))
                } else {
                    StatusAction::Take(is_active)
                }
            }
            _ => {
                if may_ask {
                    StatusAction::Ask(None)
                } else {
                    StatusAction::Refuse
                }
            }
        }
    }

    /// Takes in a report of the directory, or its failure.
    pub(super) fn update(&mut self, is_active: Option<bool>, now: Instant) {
        match is_active {
            Some(is_active) => *self = Self { report: Some((is_active, now)), failed: None },
            None => self.failed = Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_directory_said_counts_for_5_s_and_for_a_day_while_it_is_away() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for is_active in [true, false] {
            let mut user_status = UserStatus::default();
            assert_eq!(user_status.next(start), StatusAction::Ask(None));
            user_status.update(None, start);
            assert_eq!(user_status.next(at(4)), StatusAction::Refuse);
            assert_eq!(user_status.next(at(5)), StatusAction::Ask(None));
            user_status.update(Some(is_active), at(5));
            assert_eq!(user_status.next(at(9)), StatusAction::Take(is_active));
            assert_eq!(user_status.next(at(10)), StatusAction::Ask(Some(is_active)));
            user_status.update(None, at(10));
            assert_eq!(user_status.next(at(14)), StatusAction::Take(is_active));
            assert_eq!(user_status.next(at(15)), StatusAction::Ask(Some(is_active)));
            user_status.update(None, at(86_404));
            assert_eq!(user_status.next(at(86_404)), StatusAction::Take(is_active));
            assert_eq!(user_status.next(at(86_405)), StatusAction::Refuse);
            assert_eq!(user_status.next(at(86_409)), StatusAction::Ask(None));
            user_status.update(Some(!is_active), at(86_409));
            assert_eq!(user_status.next(at(86_409)), StatusAction::Take(!is_active));
        }
    }
}
