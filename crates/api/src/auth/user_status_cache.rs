//! A cache of the directory's reports on users.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::rt::time::timeout;
use quire_domain::UserId;
use quire_storage::{KnownUser, StoreError, UserDirectory};

use super::error::AuthError;
use super::user_status::{StatusAction, UserStatus};

/// Time limit of a call to the directory; beyond it the call has failed.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum users in the cache.
const MAX_USERS: usize = 10_000;

/// The statuses of users. At most one call to the directory is in flight for each user.
#[derive(Debug)]
pub(super) struct UserStatusCache {
    directory: Arc<dyn UserDirectory>,
    entries: Mutex<HashMap<UserId, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    user_status: UserStatus,
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl UserStatusCache {
    pub(super) fn new(directory: Arc<dyn UserDirectory>) -> Self {
        Self { directory, entries: Mutex::default() }
    }

    /// Checks that the user is active, and stores the e-mail address if it is known and new.
    pub(super) async fn check(&self, user: &UserId, email: Option<&str>) -> Result<(), AuthError> {
        let (next, is_failing, asking) = self.with(user, |Entry { user_status, asking }, now| {
            (user_status.next(now), user_status.failed.is_some(), Arc::clone(asking))
        });
        let known = match next {
            StatusAction::Take(is_active) => return active(is_active),
            StatusAction::Refuse => return Err(just_failed()),
            StatusAction::Ask(known) => known,
        };
        let _turn = match (known, asking.try_lock()) {
            (_, Ok(turn)) => turn,
            // The directory failed last time: one request waits for it, the others use the stale report.
            (Some(is_active), Err(_)) if is_failing => return active(is_active),
            _ => asking.lock().await,
        };
        // The request that held the lock before may have asked.
        match self.with(user, |entry, now| entry.user_status.next(now)) {
            StatusAction::Take(is_active) => active(is_active),
            StatusAction::Refuse => Err(just_failed()),
            StatusAction::Ask(_) => self.ask(user, email).await,
        }
    }

    async fn ask(&self, user: &UserId, email: Option<&str>) -> Result<(), AuthError> {
        let found = within_limit(self.directory.find(user)).await;
        // A user whom the directory does not know is active: the directory has only users with notebooks.
        let is_active = found.as_ref().ok().map(|found| found.as_ref().is_none_or(|found| found.is_active));
        // Decided by the status of now, which may have changed during the call.
        let next = self.with(user, |Entry { user_status, .. }, now| {
            user_status.update(is_active, now);
            user_status.next(now)
        });
        match found {
            Ok(Some(found)) if found.is_active => self.note(user, &found, email).await,
            Err(error) if next == StatusAction::Refuse => return Err(AuthError::NoDirectory(error)),
            _ => {}
        }
        active(next == StatusAction::Take(true))
    }

    /// Stores the e-mail address, which is for the operator. A failure, as on a replica, keeps no user out.
    async fn note(&self, user: &UserId, found: &KnownUser, email: Option<&str>) {
        if let Some(email) = email.filter(|email| found.email.as_deref() != Some(email))
            && let Err(error) = within_limit(self.directory.set_email(user, email)).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%user, error, "cannot note the user's e-mail address");
        }
    }

    /// Runs `look` on the user's entry, with the present time.
    fn with<T>(&self, user: &UserId, look: impl FnOnce(&mut Entry, Instant) -> T) -> T {
        let mut entries = self.lock();
        let now = Instant::now();
        if entries.len() >= MAX_USERS && !entries.contains_key(user) {
            entries.retain(|_, entry| matches!(entry.user_status.next(now), StatusAction::Take(_)));
            if entries.len() >= MAX_USERS {
                entries.clear(); // the directory knows
            }
        }
        look(entries.entry(user.clone()).or_default(), now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Entry>> {
        // Nothing in here can panic half-way.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn active(is_active: bool) -> Result<(), AuthError> {
    if is_active { Ok(()) } else { Err(AuthError::Inactive) }
}

fn just_failed() -> AuthError {
    AuthError::NoDirectory(unavailable("it failed a moment ago"))
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable { reason: reason.to_owned(), source: None }
}

async fn within_limit<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(TIMEOUT, call).await.unwrap_or_else(|_elapsed| Err(unavailable("it took more than 5 s to answer")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// A directory that answers as many calls as it has permits, and fails if it has no answer.
    #[derive(Debug)]
    struct Directory {
        answers: Option<bool>,
        let_through: Semaphore,
        asked: AtomicUsize,
    }

    impl Directory {
        fn with(answers: Option<bool>) -> (Arc<Self>, UserStatusCache) {
            let directory = Arc::new(Self { answers, let_through: Semaphore::new(0), asked: AtomicUsize::new(0) });
            (Arc::clone(&directory), UserStatusCache::new(directory))
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl UserDirectory for Directory {
        async fn find(&self, _: &UserId) -> Result<Option<KnownUser>, StoreError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.let_through.acquire().await.unwrap().forget();
            let known = |is_active| Some(KnownUser { is_active, email: None });
            self.answers.map(known).ok_or_else(|| unavailable("it is away"))
        }

        async fn set_email(&self, _: &UserId, _: &str) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn ann() -> UserId {
        UserId::new("ann").unwrap()
    }

    /// Ann's status as of 10 s ago.
    fn ago(is_active: bool, failed: bool) -> UserStatus {
        let then = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        UserStatus { report: Some((is_active, then)), failed: failed.then_some(then) }
    }

    #[tokio::test]
    async fn it_is_asked_once_for_many_who_wait_and_they_take_its_failure_too() {
        for answers in [Some(true), None] {
            let (directory, user_statuses) = Directory::with(answers);
            directory.let_through.add_permits(1);
            let user = ann();
            let outcomes = join_all((0..50).map(|_| user_statuses.check(&user, None))).await;
            assert!(outcomes.iter().all(|outcome| outcome.is_ok() == answers.is_some()), "{outcomes:?}");
            assert_eq!(directory.asked(), 1);
        }
    }

    #[tokio::test]
    async fn one_waits_for_a_directory_that_was_away_and_the_others_go_on() {
        let (directory, user_statuses) = Directory::with(Some(false));
        let user = ann();
        user_statuses.with(&user, |entry, _| entry.user_status = ago(true, true));
        let mut first = Box::pin(user_statuses.check(&user, None));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(user_statuses.check(&user, None).now_or_never().unwrap().is_ok());
        directory.let_through.add_permits(1);
        assert!(matches!(first.await, Err(AuthError::Inactive)));
        assert!(matches!(user_statuses.check(&user, None).await, Err(AuthError::Inactive)));
        assert_eq!(directory.asked(), 1);
    }

    #[tokio::test]
    async fn what_was_known_before_a_failure_replaces_nothing_that_was_learned_meanwhile() {
        let (directory, user_statuses) = Directory::with(None);
        let user = ann();
        user_statuses.with(&user, |entry, _| entry.user_status = ago(true, false));
        let mut asking = Box::pin(user_statuses.check(&user, None));
        assert!(asking.as_mut().now_or_never().is_none());
        user_statuses.with(&user, |entry, now| entry.user_status.update(Some(false), now));
        directory.let_through.add_permits(1);
        assert!(matches!(asking.await, Err(AuthError::Inactive)));
        assert!(matches!(user_statuses.check(&user, None).await, Err(AuthError::Inactive)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_does_not_answer_has_failed() {
        let (directory, user_statuses) = Directory::with(Some(true));
        let user = ann();
        assert!(matches!(user_statuses.check(&user, None).await, Err(AuthError::NoDirectory(_))));
        user_statuses.with(&user, |entry, _| entry.user_status = ago(true, false));
        assert!(user_statuses.check(&user, None).await.is_ok());
        assert_eq!(directory.asked(), 2);
    }
}
