//! A state machine of one user's status: active or not, and how long that holds.

use std::time::{Duration, Instant};

/// How long what the directory says is remembered.
const FRESH: Duration = Duration::from_secs(5);
/// How long it still counts while the directory cannot be asked, so that notebooks in memory can be read meanwhile.
const USABLE: Duration = Duration::from_hours(24);
/// How long a directory that failed for a user is not asked for that user again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What is known of one user. Time is an argument.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UserStatus {
    /// Whether the user is active, as the directory last said, and when it did.
    pub(super) said: Option<(bool, Instant)>,
    /// When the directory last failed to say, unless it has said something since.
    pub(super) failed: Option<Instant>,
}

/// What to do about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// To take the user for active, or not.
    Take(bool),
    /// To ask the directory; until then there may be something that can be taken.
    Ask(Option<bool>),
    /// To refuse to say.
    Refuse,
}

impl UserStatus {
    pub(super) fn next(&self, now: Instant) -> Next {
        let is_within = |then: Instant, limit| now.duration_since(then) < limit;
        let may_ask = self.failed.is_none_or(|failed| !is_within(failed, AGAIN_AFTER));
        match self.said {
            Some((is_active, said)) if is_within(said, FRESH) => Next::Take(is_active),
            Some((is_active, said)) if is_within(said, USABLE) => {
                if may_ask {
                    Next::Ask(Some(is_active))
                } else {
                    Next::Take(is_active)
                }
            }
            _ => {
                if may_ask {
                    Next::Ask(None)
                } else {
                    Next::Refuse
                }
            }
        }
    }

    /// Takes what the directory said, if it did.
    pub(super) fn learn(&mut self, is_active: Option<bool>, now: Instant) {
        match is_active {
            Some(is_active) => *self = Self { said: Some((is_active, now)), failed: None },
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
            assert_eq!(user_status.next(start), Next::Ask(None));
            user_status.learn(None, start);
            assert_eq!(user_status.next(at(4)), Next::Refuse);
            assert_eq!(user_status.next(at(5)), Next::Ask(None));
            user_status.learn(Some(is_active), at(5));
            assert_eq!(user_status.next(at(9)), Next::Take(is_active));
            assert_eq!(user_status.next(at(10)), Next::Ask(Some(is_active)));
            user_status.learn(None, at(10));
            assert_eq!(user_status.next(at(14)), Next::Take(is_active));
            assert_eq!(user_status.next(at(15)), Next::Ask(Some(is_active)));
            user_status.learn(None, at(86_404));
            assert_eq!(user_status.next(at(86_404)), Next::Take(is_active));
            assert_eq!(user_status.next(at(86_405)), Next::Refuse);
            assert_eq!(user_status.next(at(86_409)), Next::Ask(None));
            user_status.learn(Some(!is_active), at(86_409));
            assert_eq!(user_status.next(at(86_409)), Next::Take(!is_active));
        }
    }
}
