//! Liveness of other servers, determined by observation of their rows.

use std::collections::HashMap;
use std::time::Duration;

use quire_domain::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::{RegisteredServer, ServerRegistration};

/// Maximum time between two reads of one observation. After a longer gap, in which the database may have been away for the
/// other servers too, the observation begins again.
const MAX_GAP: Duration = Duration::from_secs(10);

/// Observer of other servers' rows.
#[derive(Debug, Default)]
pub(super) struct LivenessObserver {
    observed: HashMap<Uuid, Observed>,
    last_observation: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Observed {
    seen_at: Timestamp,
    unchanged_since: Instant,
    is_dead: bool,
}

impl LivenessObserver {
    /// Records the current rows, and returns one of a server that is alive: its row is new or has changed since the last
    /// observation.
    pub(super) fn observe<'a>(&mut self, found: &'a [RegisteredServer], now: Instant) -> Option<&'a RegisteredServer> {
        let gap = self.last_observation.replace(now).map(|last| now.saturating_duration_since(last));
        let is_continuous = gap.is_some_and(|gap| gap <= MAX_GAP);
        let before = std::mem::take(&mut self.observed);
        let mut alive = None;
        for server in found {
            let known = before.get(&server.id);
            let is_unchanged = known.is_some_and(|known| known.seen_at == server.seen_at);
            if !is_unchanged && (known.is_some() || is_continuous) {
                alive = alive.or(Some(server));
            }
            let since = known.filter(|_| is_unchanged && is_continuous).map_or(now, |known| known.unchanged_since);
            let is_dead = now.saturating_duration_since(since) >= ServerRegistration::DEAD_AFTER;
            self.observed.insert(server.id, Observed { seen_at: server.seen_at, unchanged_since: since, is_dead });
        }
        alive
    }

    /// Returns the rows that counted as dead at the last observation, each with the time of its last renewal.
    pub(super) fn dead(&self) -> impl Iterator<Item = (Uuid, Timestamp)> {
        self.observed.iter().filter(|(_, observed)| observed.is_dead).map(|(id, observed)| (*id, observed.seen_at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::InstanceMode;
    use super::*;

    /// A server whose row was renewed for the last time at this second.
    fn row(id: u128, second: i64) -> RegisteredServer {
        let seen_at = Timestamp::from_timestamp(second, 0).unwrap();
        RegisteredServer {
            mode: InstanceMode::One,
            address: "127.0.0.1:8000".to_owned(),
            program_version: "0".to_owned(),
            started_at: seen_at,
            id: Uuid::from_u128(id),
            seen_at,
        }
    }

    fn dead(observer: &LivenessObserver) -> Vec<u128> {
        observer.dead().map(|(id, _)| id.as_u128()).collect()
    }

    #[test]
    fn a_row_that_stays_as_it_is_for_half_a_minute_is_dead_and_one_that_changes_lives() {
        let (mut observer, start) = (LivenessObserver::default(), Instant::now());
        for second in 0..30 {
            let now = start + Duration::from_secs(second);
            assert_eq!(observer.observe(&[row(1, 7)], now), None);
            assert!(dead(&observer).is_empty(), "{second}");
        }
        let now = start + Duration::from_secs(30);
        assert_eq!(observer.observe(&[row(1, 7)], now), None);
        assert_eq!(dead(&observer), [1]);
        // The database's clock may go backwards.
        assert_eq!(observer.observe(&[row(1, 6)], now), Some(&row(1, 6)));
        assert!(dead(&observer).is_empty());
    }

    #[test]
    fn a_row_that_comes_during_an_observation_lives() {
        let (mut observer, start) = (LivenessObserver::default(), Instant::now());
        assert_eq!(observer.observe(&[], start), None);
        let found = [row(1, 7), row(2, 7)];
        assert_eq!(observer.observe(&found, start + Duration::from_secs(1)), Some(&row(1, 7)));
    }

    #[test]
    fn a_gap_in_the_observation_begins_it_anew() {
        let (mut observer, start) = (LivenessObserver::default(), Instant::now());
        for second in [0, 10, 20, 29, 40, 50, 60, 69] {
            observer.observe(&[row(1, 7)], start + Duration::from_secs(second));
            assert!(dead(&observer).is_empty(), "{second}");
        }
        observer.observe(&[row(1, 7)], start + Duration::from_secs(70));
        assert_eq!(dead(&observer), [1]);
        // The server of a row that has appeared in a gap may be dead since.
        assert_eq!(observer.observe(&[row(2, 7)], start + Duration::from_secs(90)), None);
        // The server of a row that was renewed in a gap is alive.
        assert_eq!(observer.observe(&[row(2, 8)], start + Duration::from_secs(190)), Some(&row(2, 8)));
    }
}
