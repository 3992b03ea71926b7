//! How much a user may keep, so that one cannot fill what all share.
//!
//! What there is must be added up by the store, which is too much work for every edit: it is done once a minute for a user
//! who adds something, and in between what this service adds is counted along. So a user can get beyond the limit by what
//! other servers let in within that minute, and by as many requests as are under way at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quire_domain::{Edit, Notebook, NotebookSize, UserId};
use quire_storage::Usage;
use tokio::time::Instant;

use crate::ServiceError;
use crate::work::{Kind, Lanes, Store};

/// The maximum that a user may keep; the default is any amount. What makes nothing more is never refused, nor are the two
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
/// Maximum users whose counts are remembered before old ones are forgotten.
const MAX_USERS: usize = 10_000;

/// The amount that each user keeps, as far as it was asked for lately.
#[derive(Debug)]
pub(crate) struct Quotas {
    quota: Quota,
    counted: Mutex<HashMap<UserId, Counted>>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    usage: Usage,
    at: Instant,
    /// `true` when the user has made room since.
    is_less: bool,
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
        // One at a time for a user, so that many requests that come at once have it counted once.
        let _alone = lanes.of(Kind::Usage).enter(user, 1).await?;
        if let Some(counted) = self.count(user, more) {
            return counted;
        }
        let usage = store.slow(user).await?.usage(user).await?;
        let mut counted = self.counted();
        if counted.len() >= MAX_USERS {
            counted.retain(|_, counted| counted.at.elapsed() < COUNTED_FOR);
        }
        counted.insert(user.clone(), Counted { usage, at: Instant::now(), is_less: false });
        drop(counted);
        self.count(user, more).unwrap_or(Ok(()))
    }

    /// Takes account of something that the user keeps no more.
    pub(crate) fn made_room(&self, user: &UserId) {
        if let Some(counted) = self.counted().get_mut(user) {
            counted.is_less = true;
        }
    }

    /// Counts so much more if it may be kept, else says why not; nothing when what is known is too old for that.
    fn count(&self, user: &UserId, more: Usage) -> Option<Result<(), ServiceError>> {
        let mut counted = self.counted();
        let counted = counted.get_mut(user).filter(|counted| counted.at.elapsed() < COUNTED_FOR)?;
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
            let is_true = counted.at.elapsed() < REFUSED_FOR && !counted.is_less;
            return is_true.then_some(Err(ServiceError::OverQuota { what, has, most }));
        }
        counted.usage = after;
        Some(Ok(()))
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<UserId, Counted>> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the code, results and unknown fields of a notebook of this size.
pub(crate) fn content_bytes(notebook: &Notebook, size: NotebookSize) -> u64 {
    (notebook.extra.bytes() + size.content_bytes()) as u64
}

/// The amount that a new notebook adds.
pub(crate) fn of_notebook(notebook: &Notebook) -> Usage {
    Usage { notebooks: 1, bytes: content_bytes(notebook, NotebookSize::of(notebook.cells.iter())) }
}

/// Returns `true` if an edit that happened may have left less than there was.
pub(crate) fn makes_room(edit: &Edit, more: Usage) -> bool {
    more.bytes == 0 && matches!(edit, Edit::DeleteCell { .. } | Edit::UpdateCell { .. })
}

/// The amount that an edit adds to the notebook as it was last published.
pub(crate) fn of_edit(edit: &Edit, notebook: &Notebook) -> Usage {
    let bytes = match edit {
        Edit::InsertCell { code, .. } => code.len(),
        Edit::UpdateCell { id, code } => {
            let before = notebook.cells.find(id).map_or(0, |cell| cell.code.len());
            code.len().saturating_sub(before)
        }
        // Names and connection strings are short, and what a run leaves is bounded for each cell.
        _ => 0,
    };
    Usage { notebooks: 0, bytes: bytes as u64 }
}
