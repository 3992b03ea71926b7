//! Whether users are active, as a directory says and as is remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quire_domain::UserId;
use quire_storage::{StoreError, UserDirectory};

use super::AuthError;

/// How long what the directory says is remembered.
const FRESH: Duration = Duration::from_secs(5);
/// How long it still counts while the directory cannot be asked, so that notebooks in memory can be read meanwhile.
const USABLE: Duration = Duration::from_hours(24);
/// How long a directory that failed is left alone for a user of whom something is known.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Users remembered at most.
const MOST_USERS: usize = 10_000;

/// Users, as the directory knows them.
#[derive(Debug)]
pub(super) struct Standings {
    directory: Arc<dyn UserDirectory>,
    remembered: Mutex<HashMap<UserId, Standing>>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    is_active: bool,
    learned: Instant,
    /// When the directory last failed to say.
    failed: Option<Instant>,
}

impl Standing {
    fn is_fresh(&self, now: Instant) -> bool {
        let since = |then: Instant| now.duration_since(then);
        since(self.learned) < FRESH
            || (self.is_usable(now) && self.failed.is_some_and(|failed| since(failed) < AGAIN_AFTER))
    }

    fn is_usable(&self, now: Instant) -> bool {
        now.duration_since(self.learned) < USABLE
    }
}

impl Standings {
    pub(super) fn new(directory: Arc<dyn UserDirectory>) -> Self {
        Self { directory, remembered: Mutex::default() }
    }

    /// Whether the user is active; also notes the e-mail address, if one is known.
    pub(super) async fn check(&self, user: &UserId, email: Option<&str>) -> Result<(), AuthError> {
        let remembered = self.lock().get(user).copied();
        let is_active = match remembered {
            Some(standing) if standing.is_fresh(Instant::now()) => standing.is_active,
            _ => match self.ask(user, email).await {
                Ok(is_active) => is_active,
                Err(error) => self.go_on(user, remembered, error)?,
            },
        };
        if is_active { Ok(()) } else { Err(AuthError::Inactive) }
    }

    async fn ask(&self, user: &UserId, email: Option<&str>) -> Result<bool, StoreError> {
        let found = self.directory.find(user).await?;
        // Of one whom the directory does not know nothing speaks against them: it knows who has a notebook.
        let is_active = found.as_ref().is_none_or(|found| found.is_active);
        self.remember(user, Standing { is_active, learned: Instant::now(), failed: None });
        if let (Some(found), Some(email)) = (found, email)
            && is_active
            && found.email.as_deref() != Some(email)
            // The address is for the operator; nobody is kept out because it cannot be noted, as on a replica.
            && let Err(error) = self.directory.set_email(user, email).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%user, error, "cannot note the user's e-mail address");
        }
        Ok(is_active)
    }

    /// What the directory said last still counts for a while.
    fn go_on(&self, user: &UserId, remembered: Option<Standing>, error: StoreError) -> Result<bool, AuthError> {
        let now = Instant::now();
        match remembered.filter(|standing| standing.is_usable(now)) {
            Some(standing) => {
                self.remember(user, Standing { failed: Some(now), ..standing });
                Ok(standing.is_active)
            }
            None => Err(AuthError::NoDirectory(error)),
        }
    }

    fn remember(&self, user: &UserId, standing: Standing) {
        let mut remembered = self.lock();
        if remembered.len() >= MOST_USERS && !remembered.contains_key(user) {
            remembered.retain(|_, standing| standing.is_fresh(Instant::now()));
            if remembered.len() >= MOST_USERS {
                remembered.clear(); // the directory knows
            }
        }
        remembered.insert(user.clone(), standing);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Standing>> {
        // Nothing in here can panic half-way.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
