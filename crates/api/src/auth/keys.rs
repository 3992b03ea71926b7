//! The issuer's keys as they were last fetched, and when they are fetched again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use tokio::sync::OwnedMutexGuard;

use super::fetch::{FetchError, KeySet, fetch};

/// How long keys are used without looking whether the issuer has others.
const FRESH: Duration = Duration::from_hours(1);
/// How long keys are used while the issuer cannot be reached.
const USABLE: Duration = Duration::from_hours(24);
/// How often a key that is not known is looked for: anybody can make up ids.
const UNKNOWN_EVERY: Duration = Duration::from_mins(5);
/// How long after a failure is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The keys behind a URL. One fetch at a time.
#[derive(Debug)]
pub(super) struct FetchedKeys {
    url: Arc<str>,
    known: Arc<Mutex<Known>>,
    fetching: Arc<tokio::sync::Mutex<()>>,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The issuer has none of that id.
    Unknown,
    /// The issuer cannot be asked, and what it last said is too old, or does not tell of that id.
    Unavailable,
}

/// What is known of the keys. Time is an argument.
#[derive(Debug, Default)]
struct Known {
    keys: KeySet,
    fetched: Option<Instant>,
    /// When the last fetch that failed ended, unless one has succeeded since.
    failed: Option<Instant>,
    /// When the issuer last said what it has because of a key that was not known.
    looked: Option<Instant>,
}

/// What to do for a key.
#[derive(Debug)]
enum Next {
    Use(Arc<DecodingKey>),
    Refuse(Missing),
    /// To fetch; until then there may be a key that can be used.
    Fetch(Option<Arc<DecodingKey>>),
}

impl Known {
    /// What to do for the key of this id, which is asked for since `asked`.
    fn next(&self, id: &str, asked: Instant, now: Instant) -> Next {
        let may_retry = !is_within(now, self.failed, AGAIN_AFTER);
        match self.find(id, now) {
            Ok(key) if is_within(now, self.fetched, FRESH) || !may_retry => Next::Use(key),
            Ok(key) => Next::Fetch(Some(key)),
            Err(Missing::Unknown)
                if self.fetched.is_some_and(|fetched| fetched >= asked)
                    || is_within(now, self.looked, UNKNOWN_EVERY) =>
            {
                Next::Refuse(Missing::Unknown)
            }
            Err(_) if may_retry => Next::Fetch(None),
            Err(_) => Next::Refuse(Missing::Unavailable),
        }
    }

    /// The key of this id among those there are.
    fn find(&self, id: &str, now: Instant) -> Result<Arc<DecodingKey>, Missing> {
        if !is_within(now, self.fetched, USABLE) {
            return Err(Missing::Unavailable);
        }
        self.keys.get(id).cloned().ok_or(Missing::Unknown)
    }

    /// Takes what was fetched, and whether that was because of a key that was not known.
    fn learn(&mut self, fetched: Result<KeySet, FetchError>, is_look: bool, now: Instant) {
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
        Self { url: url.into(), known: Arc::default(), fetching: Arc::default() }
    }

    /// The key of this id.
    pub(super) async fn get(&self, id: &str) -> Result<Arc<DecodingKey>, Missing> {
        let asked = Instant::now();
        let (old, is_failing) = {
            let known = self.lock();
            match known.next(id, asked, asked) {
                Next::Use(key) => return Ok(key),
                Next::Refuse(missing) => return Err(missing),
                Next::Fetch(old) => (old, known.failed.is_some()),
            }
        };
        let turn = match (old, Arc::clone(&self.fetching).try_lock_owned()) {
            (_, Ok(turn)) => turn,
            // The issuer was away before: one request waits to see whether it is back, the others go on.
            (Some(old), Err(_)) if is_failing => return Ok(old),
            _ => Arc::clone(&self.fetching).lock_owned().await,
        };
        let is_look = {
            // Whoever had the turn before may have fetched it.
            let (now, known) = (Instant::now(), self.lock());
            match known.next(id, asked, now) {
                Next::Use(key) => return Ok(key),
                Next::Refuse(missing) => return Err(missing),
                Next::Fetch(_) => known.find(id, now).is_err_and(|missing| missing == Missing::Unknown),
            }
        };
        self.fetch(turn, is_look).await;
        match self.lock().next(id, asked, Instant::now()) {
            Next::Use(key) => Ok(key),
            Next::Refuse(missing) => Err(missing),
            Next::Fetch(old) => old.ok_or(Missing::Unavailable),
        }
    }

    /// Fetches the keys.
    pub(super) async fn warm_up(&self) {
        let turn = Arc::clone(&self.fetching).lock_owned().await;
        self.fetch(turn, false).await;
    }

    /// Goes on, and keeps the turn, when whoever waits goes away, so that what has been asked for is not asked for again.
    async fn fetch(&self, turn: OwnedMutexGuard<()>, is_look: bool) {
        let (url, known) = (Arc::clone(&self.url), Arc::clone(&self.known));
        let fetched = tokio::task::spawn_blocking(move || {
            let fetched = fetch(&url);
            lock(&known).learn(fetched, is_look, Instant::now());
            drop(turn);
        });
        if fetched.await.is_err() {
            self.lock().failed = Some(Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    // Nothing in here can panic half-way.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> KeySet {
        ids.iter().map(|id| ((*id).to_owned(), Arc::new(DecodingKey::from_rsa_raw_components(&[1], &[3])))).collect()
    }

    /// What is done for a key that is asked for now.
    fn done(known: &Known, id: &str, now: Instant) -> &'static str {
        match known.next(id, now, now) {
            Next::Use(_) => "use",
            Next::Refuse(Missing::Unknown) => "unknown",
            Next::Refuse(Missing::Unavailable) => "unavailable",
            Next::Fetch(Some(_)) => "fetch, has old",
            Next::Fetch(None) => "fetch",
        }
    }

    #[test]
    fn keys_are_kept_an_hour_and_serve_a_day_while_the_issuer_is_down() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut known = Known::default();
        assert_eq!(done(&known, "a", start), "fetch");
        known.learn(Err(FetchError::None), false, start);
        assert_eq!(done(&known, "a", at(9)), "unavailable");
        assert_eq!(done(&known, "a", at(10)), "fetch");
        known.learn(Ok(set(&["a"])), false, start);
        assert_eq!(done(&known, "a", at(3_599)), "use");
        assert_eq!(done(&known, "a", at(3_600)), "fetch, has old");
        known.learn(Err(FetchError::None), false, at(3_600));
        assert_eq!(done(&known, "a", at(3_609)), "use");
        assert_eq!(done(&known, "a", at(3_610)), "fetch, has old");
        known.learn(Err(FetchError::None), false, at(86_399));
        assert_eq!(done(&known, "a", at(86_399)), "use");
        assert_eq!(done(&known, "a", at(86_400)), "unavailable");
        assert_eq!(done(&known, "a", at(86_409)), "fetch");
        known.learn(Ok(set(&["b"])), false, at(86_410));
        assert!(known.find("a", at(86_410)).is_err(), "what the issuer has withdrawn is gone");
    }

    #[test]
    fn unknown_ids_are_looked_for_every_five_minutes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut known = Known::default();
        known.learn(Ok(set(&["a"])), false, start);
        assert_eq!(done(&known, "x", start), "unknown", "the keys are from after it was asked for");
        assert_eq!(done(&known, "x", at(1)), "fetch");
        known.learn(Ok(set(&["a"])), true, at(1));
        assert_eq!(done(&known, "y", at(300)), "unknown");
        assert_eq!(done(&known, "y", at(301)), "fetch");
        known.learn(Err(FetchError::None), true, at(301));
        assert_eq!(done(&known, "y", at(310)), "unavailable", "the issuer has not said that it has no such key");
        assert_eq!(done(&known, "a", at(310)), "use");
        assert_eq!(done(&known, "y", at(311)), "fetch");
        known.learn(Ok(set(&["a"])), true, at(311));
        assert_eq!(done(&known, "y", at(610)), "unknown");
        assert_eq!(done(&known, "y", at(611)), "fetch");
    }
}
