//! Notebooks as the bytes that go over the wire, kept as long as they say what is published.
//!
//! Writing a notebook of ordinary size as JSON costs more than all the rest of answering; it is done once for each
//! published state, however often that is read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use actix_web::web::Bytes;
use quire_domain::NotebookId;
use quire_service::Published;

/// Bytes kept for all notebooks together; when they would be more, all are forgotten.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What is larger is not kept, so that a few giants do not push everything else out.
const LARGEST_BYTES: usize = 1024 * 1024;

/// The kept answers. They hold connection strings, which are secrets: no `Debug` of what is in here.
#[derive(Default)]
pub(crate) struct ResponseCache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// A weak reference identifies the state: its address is not given to another one while the reference is there.
    answers: HashMap<NotebookId, (Weak<Published>, Bytes)>,
    bytes: usize,
    /// How many have been kept since the last look for those that nobody can ask for any more.
    since_swept: usize,
}

impl ResponseCache {
    /// The answer for exactly this state, if it is kept.
    pub(crate) fn get(&self, published: &Arc<Published>) -> Option<Bytes> {
        let kept = self.lock();
        let (state, bytes) = kept.answers.get(&published.notebook.id)?;
        std::ptr::eq(state.as_ptr(), Arc::as_ptr(published)).then(|| bytes.clone())
    }

    /// Keeps the answer for this state in place of an older one.
    pub(crate) fn keep(&self, published: &Arc<Published>, bytes: &Bytes) {
        if bytes.len() > LARGEST_BYTES {
            return;
        }
        let mut kept = self.lock();
        kept.sweep();
        if kept.bytes + bytes.len() > MAX_BYTES {
            *kept = Kept::default();
        }
        let answer = (Arc::downgrade(published), bytes.clone());
        if let Some((_, older)) = kept.answers.insert(published.notebook.id.clone(), answer) {
            kept.bytes -= older.len();
        }
        kept.bytes += bytes.len();
    }

    /// Forgets a notebook that has been deleted.
    pub(crate) fn forget(&self, id: &NotebookId) {
        let mut kept = self.lock();
        if let Some((_, bytes)) = kept.answers.remove(id) {
            kept.bytes -= bytes.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.lock();
        f.debug_struct("ResponseCache").field("answers", &kept.answers.len()).field("bytes", &kept.bytes).finish()
    }
}

impl Kept {
    /// Forgets what is said of states that are gone, so that no secret of theirs stays. Looks at all whenever as many have
    /// been kept as there are, so that each costs the same however many there are.
    fn sweep(&mut self) {
        self.since_swept += 1;
        if self.since_swept < self.answers.len() {
            return;
        }
        self.answers.retain(|_, (state, _)| state.strong_count() > 0);
        self.bytes = self.answers.values().map(|(_, bytes)| bytes.len()).sum();
        self.since_swept = 0;
    }
}
