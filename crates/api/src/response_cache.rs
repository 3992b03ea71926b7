//! A cache of notebooks as JSON, each valid for one published state.
//!
//! Writing a notebook of ordinary size as JSON costs more than the rest of a request. It is done once for each published
//! state, however often that is read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use actix_web::web::Bytes;
use quire_domain::NotebookId;
use quire_service::{NotebookView, Published};

/// Maximum bytes of all entries together; beyond it the cache is cleared.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Maximum bytes of an entry, so that a few large notebooks do not push out all others.
const MAX_ENTRY_BYTES: usize = 1024 * 1024;

/// The cache. Its entries hold connection strings, which are secrets, so that `Debug` does not show them.
#[derive(Default)]
pub(crate) struct ResponseCache {
    cached: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// A weak reference identifies the state: its address is not given to another one while the reference is there.
    by_notebook: HashMap<NotebookId, (Weak<Published>, Bytes)>,
    bytes: usize,
    /// Number of entries inserted since the last sweep of stale ones.
    since_swept: usize,
}

impl ResponseCache {
    /// Returns the JSON of exactly this state, if it is cached.
    pub(crate) fn get(&self, view: &NotebookView) -> Option<Bytes> {
        let published = Some(&view.published).filter(|_| !view.is_stale)?;
        let cached = self.lock();
        let (state, bytes) = cached.by_notebook.get(&published.notebook.id)?;
        std::ptr::eq(state.as_ptr(), Arc::as_ptr(published)).then(|| bytes.clone())
    }

    /// Inserts the JSON of this state in place of an older one.
    pub(crate) fn insert(&self, NotebookView { published, is_stale }: &NotebookView, bytes: &Bytes) {
        if *is_stale || bytes.len() > MAX_ENTRY_BYTES {
            return;
        }
        let mut cached = self.lock();
        cached.sweep();
        if cached.bytes + bytes.len() > MAX_BYTES {
            *cached = Entries::default();
        }
        let entry = (Arc::downgrade(published), bytes.clone());
        if let Some((_, older)) = cached.by_notebook.insert(published.notebook.id.clone(), entry) {
            cached.bytes -= older.len();
        }
        cached.bytes += bytes.len();
    }

    /// Removes a notebook that has been deleted.
    pub(crate) fn forget(&self, id: &NotebookId) {
        let mut cached = self.lock();
        if let Some((_, bytes)) = cached.by_notebook.remove(id) {
            cached.bytes -= bytes.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing in here can panic half-way.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cached = self.lock();
        f.debug_struct("ResponseCache")
            .field("cached", &cached.by_notebook.len())
            .field("bytes", &cached.bytes)
            .finish()
    }
}

impl Entries {
    /// Removes entries of states that are no longer published, so that no secret of theirs stays. Runs when as many entries have
    /// been inserted as there are, so that its cost for each insertion is constant.
    fn sweep(&mut self) {
        self.since_swept += 1;
        if self.since_swept < self.by_notebook.len() {
            return;
        }
        self.by_notebook.retain(|_, (state, _)| state.strong_count() > 0);
        self.bytes = self.by_notebook.values().map(|(_, bytes)| bytes.len()).sum();
        self.since_swept = 0;
    }
}
