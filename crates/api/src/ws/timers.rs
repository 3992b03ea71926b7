//! Timers of sockets.

use std::time::Duration;

use actix_web::rt::time::{Instant, Interval, interval_at, sleep_until};
use tokio::time::MissedTickBehavior;

/// Makes a timer of this period. After a delay, the next period begins late instead of in a burst.
pub(crate) fn ticks(period: Duration) -> Interval {
    let period = period.max(Duration::from_millis(1)); // the timer knows no shorter one
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits until the end; for ever if there is none.
pub(crate) async fn until(end: Option<std::time::Instant>) {
    match end {
        Some(end) => sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}
