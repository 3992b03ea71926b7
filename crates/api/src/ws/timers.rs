//! Timers of sockets.

use std::time::Duration;

use actix_web::rt::time::{Instant, Interval, interval_at, sleep_until};
use tokio::time::MissedTickBehavior;

/// A timer that goes off after each period, and after a delay begins the next period then.
pub(crate) fn ticks(period: Duration) -> Interval {
    let period = period.max(Duration::from_millis(1)); // the timer knows no shorter one
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits until then, or for ever.
pub(crate) async fn until(end: Option<std::time::Instant>) {
    match end {
        Some(end) => sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}
