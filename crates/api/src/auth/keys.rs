//! A cache of the issuer's keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use super::fetch::{FetchError, KeySet, fetch};

/// Time in which keys are used without another fetch.
const FRESH: Duration = Duration::from_hours(1);
/// Time in which keys are used while the issuer cannot be reached.
const USABLE: Duration = Duration::from_hours(24);
/// Minimum time between two fetches for unknown key ids, which any client can make up.
const UNKNOWN_EVERY: Duration = Duration::from_mins(5);
/// Time after a failed fetch before the next.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The keys behind a URL. At most one fetch is in flight.
#[derive(Debug)]
pub(super) struct FetchedKeys {
    url: Arc<str>,
    cached: Arc<Mutex<CachedKeys>>,
    fetching: Arc<tokio::sync::Mutex<()>>,
}

/// A reason why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingKey {
    /// The issuer has no key of that id.
    Unknown,
    /// The issuer cannot be reached, and the cached keys are stale or lack that id.
    Unavailable,
}

/// The keys of the last fetch, and the times of fetches. Time is an argument.
#[derive(Debug, Default)]
struct CachedKeys {
    keys: KeySet,
    fetched: Option<Instant>,
    /// End of the last fetch that failed, unless a later one succeeded.
    failed: Option<Instant>,
    /// End of the last successful fetch that was made for an unknown key id.
    looked: Option<Instant>,
}

/// The next step for a key that a token names.
#[derive(Debug)]
enum KeyAction {
    Use(Arc<DecodingKey>),
    Refuse(MissingKey),
    /// Fetch. Holds the stale key, if there is one that can still be used.
    Fetch(Option<Arc<DecodingKey>>),
}

impl CachedKeys {
    /// Returns the next step for the key of this id, which has been wanted since `asked`.
    fn next(&self, id: &str, asked: Instant, now: Instant) -> KeyAction {
        let may_retry = !is_within(now, self.failed, AGAIN_AFTER);
        match self.find(id, now) {
            Ok(key) if is_within(now, self.fetched, FRESH) || !may_retry => KeyAction::Use(key),
            Ok(key) => KeyAction::Fetch(Some(key)),
            Err(MissingKey::Unknown)
                if self.fetched.is_some_and(|fetched| fetched >= asked)
                    || is_within(now, self.looked, UNKNOWN_EVERY) =>
            {
                KeyAction::Refuse(MissingKey::Unknown)
            }
            Err(_) if may_retry => KeyAction::Fetch(None),
            Err(_) => KeyAction::Refuse(MissingKey::Unavailable),
        }
    }

    /// Returns the cached key of this id.
    fn find(&self, id: &str, now: Instant) -> Result<Arc<DecodingKey>, MissingKey> {
        if !is_within(now, self.fetched, USABLE) {
            return Err(MissingKey::Unavailable);
        }
        self.keys.get(id).cloned().ok_or(MissingKey::Unknown)
    }

    /// Takes in the outcome of a fetch; `is_look` when it was made for an unknown key id.
    fn update(&mut self, fetched: Result<KeySet, FetchError>, is_look: bool, now: Instant) {
        match fetched {
            Ok(keys) => {
                let looked = if is_look { Some(now) } else { self.looked };
                *self = Self { keys, fetched: Some(now), failed: None, looked };
            }
            Err(error) => {
                self.failed = Some(now);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the sign-in keys cannot be fetched; those there are serve for a day at most");
            }
        }
    }
}

fn is_within(now: Instant, since: Option<Instant>, limit: Duration) -> bool {
    since.is_some_and(|since| now.duration_since(since) < limit)
}

impl FetchedKeys {
    pub(super) fn new(url: String) -> Self {
        Self { url: url.into(), cached: Arc::default(), fetching: Arc::default() }
    }

    /// Returns the key of this id, fetched if need be.
    pub(super) async fn get(&self, id: &str) -> Result<Arc<DecodingKey>, MissingKey> {
        let asked = Instant::now();
        let (old, is_failing) = {
            let cached = self.cached.lock();
            match cached.next(id, asked, asked) {
                KeyAction::Use(key) => return Ok(key),
                KeyAction::Refuse(missing) => return Err(missing),
                KeyAction::Fetch(old) => (old, cached.failed.is_some()),
            }
        };
        let turn = match (old, Arc::clone(&self.fetching).try_lock_owned()) {
            (_, Ok(turn)) => turn,
            // The last fetch failed: one request waits for the next, the others use the stale key.
            (Some(old), Err(_)) if is_failing => return Ok(old),
            _ => Arc::clone(&self.fetching).lock_owned().await,
        };
        let is_look = {
            // The request that held the lock before may have fetched it.
            let (now, cached) = (Instant::now(), self.cached.lock());
            match cached.next(id, asked, now) {
                KeyAction::Use(key) => return Ok(key),
                KeyAction::Refuse(missing) => return Err(missing),
                KeyAction::Fetch(_) => cached.find(id, now).is_err_and(|missing| missing == MissingKey::Unknown),
            }
        };
        self.fetch(turn, is_look).await;
        match self.cached.lock().next(id, asked, Instant::now()) {
            KeyAction::Use(key) => Ok(key),
            KeyAction::Refuse(missing) => Err(missing),
            KeyAction::Fetch(old) => old.ok_or(MissingKey::Unavailable),
        }
    }

    /// Fetches the keys.
    pub(super) async fn warm_up(&self) {
        let turn = Arc::clone(&self.fetching).lock_owned().await;
        self.fetch(turn, false).await;
    }

    /// Fetches the keys in a task that holds the lock and goes on when the caller is dropped, so that no fetch is made twice.
    async fn fetch(&self, turn: OwnedMutexGuard<()>, is_look: bool) {
        let (url, cached) = (Arc::clone(&self.url), Arc::clone(&self.cached));
        let fetched = tokio::task::spawn_blocking(move || {
            let fetched = fetch(&url);
            cached.lock().update(fetched, is_look, Instant::now());
            drop(turn);
        });
        if fetched.await.is_err() {
            self.cached.lock().failed = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> KeySet {
        ids.iter().map(|id| ((*id).to_owned(), Arc::new(DecodingKey::from_rsa_raw_components(&[1], &[3])))).collect()
    }

    /// The next step for a key that is wanted now.
    fn done(cached: &CachedKeys, id: &str, now: Instant) -> &'static str {
        match cached.next(id, now, now) {
            KeyAction::Use(_) => "use",
            KeyAction::Refuse(MissingKey::Unknown) => "unknown",
            KeyAction::Refuse(MissingKey::Unavailable) => "unavailable",
            KeyAction::Fetch(Some(_)) => "fetch, has old",
            KeyAction::Fetch(None) => "fetch",
        }
    }

    #[test]
    fn keys_are_cached_for_an_hour_and_serve_a_day_while_the_issuer_is_down() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut cached = CachedKeys::default();
        assert_eq!(done(&cached, "a", start), "fetch");
        cached.update(Err(FetchError::None), false, start);
        assert_eq!(done(&cached, "a", at(9)), "unavailable");
        assert_eq!(done(&cached, "a", at(10)), "fetch");
        cached.update(Ok(set(&["a"])), false, start);
        assert_eq!(done(&cached, "a", at(3_599)), "use");
        assert_eq!(done(&cached, "a", at(3_600)), "fetch, has old");
        cached.update(Err(FetchError::None), false, at(3_600));
        assert_eq!(done(&cached, "a", at(3_609)), "use");
        assert_eq!(done(&cached, "a", at(3_610)), "fetch, has old");
        cached.update(Err(FetchError::None), false, at(86_399));
        assert_eq!(done(&cached, "a", at(86_399)), "use");
        assert_eq!(done(&cached, "a", at(86_400)), "unavailable");
        assert_eq!(done(&cached, "a", at(86_409)), "fetch");
        cached.update(Ok(set(&["b"])), false, at(86_410));
        assert!(cached.find("a", at(86_410)).is_err(), "what the issuer has withdrawn is gone");
    }

    #[test]
    fn unknown_ids_are_looked_for_every_five_minutes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut cached = CachedKeys::default();
        cached.update(Ok(set(&["a"])), false, start);
        assert_eq!(done(&cached, "x", start), "unknown", "the keys are from after it was asked for");
        assert_eq!(done(&cached, "x", at(1)), "fetch");
        cached.update(Ok(set(&["a"])), true, at(1));
        assert_eq!(done(&cached, "y", at(300)), "unknown");
        assert_eq!(done(&cached, "y", at(301)), "fetch");
        cached.update(Err(FetchError::None), true, at(301));
        assert_eq!(done(&cached, "y", at(310)), "unavailable", "the issuer has not said that it has no such key");
        assert_eq!(done(&cached, "a", at(310)), "use");
        assert_eq!(done(&cached, "y", at(311)), "fetch");
        cached.update(Ok(set(&["a"])), true, at(311));
        assert_eq!(done(&cached, "y", at(610)), "unknown");
        assert_eq!(done(&cached, "y", at(611)), "fetch");
    }
}
