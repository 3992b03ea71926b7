//! The rate limit on a user's requests. Each sign-in on a WebSocket counts as a request.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use governor::clock::{Clock as _, MonotonicClock};
use governor::state::keyed::HashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use quire_domain::UserId;

use crate::problem::{Code, Problem};
use crate::settings::RequestLimit;

/// Number of requests after which users who are idle are forgotten.
const SWEEP_EVERY: u32 = 4_096;

/// A rate limiter of requests, by user.
#[derive(Debug)]
pub(crate) struct RequestLimiter {
    users: RateLimiter<UserId, HashMapStateStore<UserId>, MonotonicClock>,
    counted: AtomicU32,
}

impl RequestLimiter {
    pub(crate) fn new(limit: RequestLimit) -> Self {
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        Self { users: RateLimiter::hashmap_with_clock(quota, MonotonicClock), counted: AtomicU32::new(0) }
    }

    /// Counts a request of this user, or refuses it beyond the limit.
    pub(crate) fn count(&self, user: &UserId) -> Result<(), Problem> {
        if self.counted.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.users.retain_recent();
        }
        self.users.check_key(user).map_err(|early| too_many(&early))
    }
}

fn too_many(early: &NotUntil<Instant>) -> Problem {
    let wait = early.wait_time_from(MonotonicClock.now());
    let seconds = u8::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u8::MAX).max(1);
    Problem::new(Code::TooManyRequests, "The user makes too many requests; try again in a moment.").after(seconds)
}
