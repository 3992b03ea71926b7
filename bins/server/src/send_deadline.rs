//! Deadline for sending to a client: a constant, extended by every byte that the client takes.
//!
//! The system ends a connection whose client takes no bytes for a while. A client that takes a byte now and then would
//! keep its connection, and the data of its response, for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes per second below which a client counts as blocking.
pub(crate) const MIN_BYTES_PER_SECOND: u32 = 4 * 1024;

/// Remaining time for which a client may block sending.
#[derive(Debug)]
pub(crate) struct SendDeadline {
    /// Initial and maximum time.
    limit: Duration,
    left: Duration,
    blocked_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl SendDeadline {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, left: limit, blocked_since: None, timer: None }
    }

    /// Records that the client has taken so many bytes.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(since) = self.blocked_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
            self.timer = None;
        }
        if self.left < self.limit {
            let earned = Duration::from_secs(1) / MIN_BYTES_PER_SECOND;
            let earned = earned.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
            self.left = self.limit.min(self.left.saturating_add(earned));
        }
    }

    /// Returns ready once the client, which takes no bytes at present, has blocked sending for too long.
    pub(crate) fn poll_blocked(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        let deadline = since + self.left;
        self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn is_over(deadline: &mut SendDeadline) -> bool {
        deadline.poll_blocked(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[actix_web::test]
    async fn a_client_that_takes_enough_may_go_on_for_ever_and_one_that_takes_less_may_not() {
        pause();
        for (bytes_a_second, goes_on) in [(MIN_BYTES_PER_SECOND + 100, true), (MIN_BYTES_PER_SECOND / 2, false)] {
            let mut deadline = SendDeadline::new(60 * SECOND);
            let mut tenths = 0;
            while tenths < 10_000 && !is_over(&mut deadline) {
                advance(SECOND / 10).await;
                tenths += 1;
                if tenths % 10 == 0 {
                    deadline.sent(bytes_a_second as usize);
                }
            }
            assert_eq!(tenths == 10_000, goes_on, "{bytes_a_second}");
            // At half the rate, every second costs half a second.
            assert!(goes_on || (1_180..=1_220).contains(&tenths), "{tenths}");
        }
    }
}
