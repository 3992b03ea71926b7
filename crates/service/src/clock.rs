//! Sources of time.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use quire_domain::Timestamp;

/// A source of time.
///
/// ```
/// use quire_domain::Timestamp;
/// use quire_service::Clock;
///
/// #[derive(Debug)]
/// struct Stopped(Timestamp);
///
/// impl Clock for Stopped {
///     fn now(&self) -> Timestamp {
///         self.0
///     }
/// }
/// ```
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the current time, to the microsecond.
    fn now(&self) -> Timestamp;
}

/// The machine's clock. Each returned time is later than the one before, so that lists show the order of creation.
#[derive(Debug, Default)]
pub struct SystemClock {
    last_micros: AtomicI64,
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else must use")]
        let now = chrono::Utc::now().timestamp_micros();
        let advance = |last: i64| now.max(last + 1);
        let last = self.last_micros.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(advance(last)));
        let micros = advance(last.unwrap_or_else(|last| last));
        Timestamp::from_timestamp_micros(micros).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_stands_still() {
        let clock = SystemClock::default();
        let times: Vec<_> = (0..1_000).map(|_| clock.now()).collect();
        assert!(times.is_sorted_by(|a, b| a < b));
    }
}
