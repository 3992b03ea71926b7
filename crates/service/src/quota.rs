//! How much a user may keep, so that one cannot fill what all share.
//!
//! What there is must be added up by the store, which is too much work for every edit: it is done once a minute for a user
//! who adds something, and in between what this service adds is counted along. So a user can get beyond the limit by what
//! other servers let in within that minute, and by as many requests as are under way at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quire_domain::{Edit, Notebook, UserId};
use quire_storage::{NotebookStore, Usage};
use tokio::time::Instant;

use crate::ServiceError;
use crate::command::Wish;

/// How much a user may keep; the default is any amount. What makes nothing more is never refused, nor are the two
/// notebooks that every user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// At most so many notebooks.
    pub notebooks: Option<u64>,
    /// At most so many bytes, counted as [`Usage::bytes`] are.
    pub bytes: Option<u64>,
}

/// After such a time the store is asked again.
const COUNTED_FOR: Duration = Duration::from_mins(1);
/// A refusal is given only on what was counted within such a time: whoever has just made room shall have it.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// Users whose counts are kept before old ones are forgotten.
const MOST_USERS: usize = 10_000;

/// What each user keeps, as far as it was asked for lately.
#[derive(Debug)]
pub(crate) struct Quotas {
    quota: Quota,
    counted: Mutex<HashMap<UserId, Counted>>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    usage: Usage,
    at: Instant,
}

impl Quotas {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, counted: Mutex::default() }
    }

    /// Lets the user keep so much more, and counts it.
    ///
    /// # Errors
    /// [`ServiceError::OverQuota`] when it would be too much, or when the store fails.
    pub(crate) async fn admit(
        &self,
        store: &dyn NotebookStore,
        user: &UserId,
        more: Usage,
    ) -> Result<(), ServiceError> {
        let is_limited =
            self.quota.notebooks.is_some() && more.notebooks > 0 || self.quota.bytes.is_some() && more.bytes > 0;
        if !is_limited || matches!(self.count(user, more, COUNTED_FOR), Some(Ok(()))) {
            return Ok(());
        }
        if let Some(refused @ Err(_)) = self.count(user, more, REFUSED_FOR) {
            return refused;
        }
        let usage = store.usage(user).await?;
        let mut counted = self.counted();
        if counted.len() >= MOST_USERS {
            counted.retain(|_, counted| counted.at.elapsed() < COUNTED_FOR);
        }
        counted.insert(user.clone(), Counted { usage, at: Instant::now() });
        drop(counted);
        self.count(user, more, COUNTED_FOR).unwrap_or(Ok(()))
    }

    /// Takes account of something that the user keeps no more.
    pub(crate) fn forget(&self, user: &UserId) {
        self.counted().remove(user);
    }

    /// Counts so much more if it may be kept, else says why not; nothing when the last count is older than `fresh`.
    fn count(&self, user: &UserId, more: Usage, fresh: Duration) -> Option<Result<(), ServiceError>> {
        let mut counted = self.counted();
        let counted = counted.get_mut(user).filter(|counted| counted.at.elapsed() < fresh)?;
        let sum = |has: u64, more: u64| has.saturating_add(more);
        let after = Usage {
            notebooks: sum(counted.usage.notebooks, more.notebooks),
            bytes: sum(counted.usage.bytes, more.bytes),
        };
        let over = |limit: Option<u64>, more: u64, after: u64| limit.filter(|limit| more > 0 && after > *limit);
        if let Some(most) = over(self.quota.notebooks, more.notebooks, after.notebooks) {
            return Some(Err(ServiceError::OverQuota { what: "notebooks", has: counted.usage.notebooks, most }));
        }
        if let Some(most) = over(self.quota.bytes, more.bytes, after.bytes) {
            return Some(Err(ServiceError::OverQuota { what: "bytes", has: counted.usage.bytes, most }));
        }
        counted.usage = after;
        Some(Ok(()))
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<UserId, Counted>> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a new notebook adds.
pub(crate) fn of_notebook(notebook: &Notebook) -> Usage {
    let bytes = notebook.cells.iter().map(|cell| (cell.code.len() + cell.results.bytes()) as u64).sum();
    Usage { notebooks: 1, bytes }
}

/// What an edit adds to the notebook as it was last seen.
pub(crate) fn of_wish(wish: &Wish, notebook: &Notebook) -> Usage {
    let bytes = match wish {
        Wish::Edit(Edit::InsertCell { code, .. }) => code.len(),
        Wish::Edit(Edit::UpdateCell { id, code }) => {
            let before = notebook.cells.find(id).map_or(0, |cell| cell.code.len());
            code.len().saturating_sub(before)
        }
        // Names and connection strings are short, and what a run leaves is bounded for each cell.
        Wish::Edit(_) | Wish::Connect(_) => 0,
    };
    Usage { notebooks: 0, bytes: bytes as u64 }
}
