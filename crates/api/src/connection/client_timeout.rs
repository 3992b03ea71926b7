//! A timeout for clients.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Number of parts of the limit. A part begins when the timer has noticed the end of the one before it.
const PARTS: u32 = 20;

/// A timeout for a client's sending or reading. A stall of the server's own thread, in which it cannot see what the client
/// sends, counts as one part at most, however long it is: no client is cut off for the server's slowness.
///
/// ```
/// # actix_web::rt::System::new().block_on(async {
/// use std::time::Duration;
///
/// quire_api::ClientTimeout::new(Duration::from_millis(20)).elapsed().await;
/// # });
/// ```
#[derive(Debug)]
pub struct ClientTimeout {
    part: Duration,
    left: u32,
    timer: Pin<Box<Sleep>>,
}

impl ClientTimeout {
    /// Makes a timeout that begins now.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let part = limit / PARTS;
        Self { part, left: PARTS - 1, timer: Box::pin(sleep_until(Instant::now() + part)) }
    }

    /// Polls the timer; ready once the limit has elapsed.
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

    /// Waits until the limit has elapsed.
    pub async fn elapsed(mut self) {
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
        let mut timeout = ClientTimeout::new(Duration::from_secs(20));
        let mut look = || timeout.poll(&mut Context::from_waker(std::task::Waker::noop()));
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
