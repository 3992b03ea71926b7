//! A limit on the time that a client may take.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Parts of the limit, each of which begins when the end of the one before it was noticed.
const PARTS: u32 = 20;

/// A timer for what a client takes. A thread that is held up cannot see what the client has sent meanwhile, so such a time
/// counts as one of the parts at most, however long it was: no client is blamed for the server's own slowness.
#[derive(Debug)]
pub struct Patience {
    part: Duration,
    left: u32,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// A timer that begins now.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let part = limit / PARTS;
        Self { part, left: PARTS - 1, timer: Box::pin(sleep_until(Instant::now() + part)) }
    }

    /// Ready when the time is over.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            if self.left == 0 {
                return Poll::Ready(());
            }
            self.left -= 1;
            self.timer.as_mut().reset(Instant::now() + self.part);
        }
    }

    /// Waits until the time is over.
    pub async fn over(mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause};

    use super::*;

    #[actix_web::test]
    async fn a_time_in_which_the_thread_was_held_up_counts_as_one_part() {
        pause();
        let mut patience = Patience::new(Duration::from_secs(20));
        let mut look = || patience.poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(look().is_pending());
        advance(Duration::from_mins(10)).await;
        let mut tenths = 10;
        while look().is_pending() {
            advance(Duration::from_millis(100)).await;
            tenths += 1;
        }
        // Timers may go off a moment late, which is one step for each part.
        assert!((200..=220).contains(&tenths), "{tenths}");
    }
}
