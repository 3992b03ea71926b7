//! Quotas of users, so that one user cannot fill the shared storage.
//!
//! The store adds up the usage of a user. That is too much work for every edit, so the sum is cached for a minute, and the
//! additions of this service are added to it. A user can therefore exceed the quota by the additions of other servers within
//! that minute, and by the requests in flight.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quire_domain::{Edit, Notebook, NotebookSize, UserId};
use quire_storage::Usage;
use tokio::time::Instant;

use crate::ServiceError;
use crate::work::{Kind, Lanes, Store};

/// The maximum that a user may keep; the default is no limit. Requests that add nothing are never refused, nor are the two
/// notebooks that every user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Maximum number of notebooks.
    pub notebooks: Option<u64>,
    /// Maximum bytes, as in [`Usage::bytes`].
    pub bytes: Option<u64>,
}

/// Time for which a usage is cached.
const MAX_USAGE_AGE: Duration = Duration::from_mins(1);
/// Maximum age of a usage that a refusal is based on, so that a user who has just deleted something is admitted.
const MAX_USAGE_AGE_FOR_REFUSAL: Duration = Duration::from_secs(1);
/// Maximum users whose usage is cached before stale entries are evicted.
const MAX_USERS: usize = 10_000;

/// The cached usage of users.
#[derive(Debug)]
pub(crate) struct Quotas {
    quota: Quota,
    counted: Mutex<HashMap<UserId, CachedUsage>>,
}

#[derive(Clone, Copy, Debug)]
struct CachedUsage {
    usage: Usage,
    at: Instant,
    /// `true` if the user has deleted something since.
    has_shrunk: bool,
}

impl Quotas {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, counted: Mutex::default() }
    }

    /// Admits an addition to the usage of a user, and counts it.
    ///
    /// # Errors
    /// Returns [`ServiceError::OverQuota`] if the addition exceeds the quota, or an error if the store fails.
    pub(crate) async fn admit(
        &self,
        (store, lanes): (&Store, &Lanes),
        user: &UserId,
        more: Usage,
    ) -> Result<(), ServiceError> {
        let is_limited =
            self.quota.notebooks.is_some() && more.notebooks > 0 || self.quota.bytes.is_some() && more.bytes > 0;
        if !is_limited {
            return Ok(());
        }
        if let Some(counted) = self.count(user, more) {
            return counted;
        }
        // One query at a time for a user, so that concurrent requests share it.
        let _alone = lanes.of(Kind::Usage).enter(user, 1).await?;
        if let Some(counted) = self.count(user, more) {
            return counted;
        }
        let usage = store.slow(user).await?.usage(user).await?;
        let mut counted = self.counted();
        if counted.len() >= MAX_USERS {
            counted.retain(|_, counted| counted.at.elapsed() < MAX_USAGE_AGE);
        }
        counted.insert(user.clone(), CachedUsage { usage, at: Instant::now(), has_shrunk: false });
        drop(counted);
        self.count(user, more).unwrap_or(Ok(()))
    }

    /// Records that the user has deleted something.
    pub(crate) fn made_room(&self, user: &UserId) {
        if let Some(counted) = self.counted().get_mut(user) {
            counted.has_shrunk = true;
        }
    }

    /// Counts an addition if the quota allows it, else returns the error. Returns `None` if the cached usage is stale.
    fn count(&self, user: &UserId, more: Usage) -> Option<Result<(), ServiceError>> {
        let mut counted = self.counted();
        let counted = counted.get_mut(user).filter(|counted| counted.at.elapsed() < MAX_USAGE_AGE)?;
        let has = counted.usage;
        let after = Usage {
            notebooks: has.notebooks.saturating_add(more.notebooks),
            bytes: has.bytes.saturating_add(more.bytes),
        };
        let over = |limit: Option<u64>, more: u64, after: u64| limit.filter(|limit| more > 0 && after > *limit);
        let notebooks =
            over(self.quota.notebooks, more.notebooks, after.notebooks).map(|most| ("notebooks", has.notebooks, most));
        let bytes = || over(self.quota.bytes, more.bytes, after.bytes).map(|most| ("bytes", has.bytes, most));
        if let Some((what, has, most)) = notebooks.or_else(bytes) {
            let is_fresh = counted.at.elapsed() < MAX_USAGE_AGE_FOR_REFUSAL && !counted.has_shrunk;
            return is_fresh.then_some(Err(ServiceError::OverQuota { what, has, most }));
        }
        counted.usage = after;
        Some(Ok(()))
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<UserId, CachedUsage>> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the bytes of the code, results and unknown fields of a notebook of this size.
pub(crate) fn content_bytes(notebook: &Notebook, size: NotebookSize) -> u64 {
    (notebook.extra.bytes() + size.content_bytes()) as u64
}

/// Returns the usage of a new notebook.
pub(crate) fn of_notebook(notebook: &Notebook) -> Usage {
    Usage { notebooks: 1, bytes: content_bytes(notebook, NotebookSize::of(notebook.cells.iter())) }
}

/// Returns `true` if an edit may have reduced the usage.
pub(crate) fn makes_room(edit: &Edit, more: Usage) -> bool {
    more.bytes == 0 && matches!(edit, Edit::DeleteCell { .. } | Edit::UpdateCell { .. })
}

/// Returns the addition of an edit to the usage, for the notebook as it was last published.
pub(crate) fn of_edit(edit: &Edit, notebook: &Notebook) -> Usage {
    let bytes = match edit {
        Edit::InsertCell { code, .. } => code.len(),
        Edit::UpdateCell { id, code } => {
            let before = notebook.cells.find(id).map_or(0, |cell| cell.code.len());
            code.len().saturating_sub(before)
        }
        Edit::SetResults { id, results } => {
            let before = notebook.cells.find(id).map_or(0, |cell| cell.results.bytes());
            results.bytes().saturating_sub(before)
        }
        // Names and connection strings are short.
        _ => 0,
    };
    Usage { notebooks: 0, bytes: bytes as u64 }
}
