//! Notebooks as the bytes that go over the wire, kept as long as they say what is published.
//!
//! Writing a notebook of ordinary size as JSON costs more than all the rest of answering; it is done once for each
//! published state, however often that is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use actix_web::web::Bytes;
use quire_domain::NotebookId;
use quire_service::Published;

/// Bytes kept for all notebooks together; when they would be more, all are forgotten.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What is larger is not kept, so that a few giants do not push everything else out.
const LARGEST_BYTES: usize = 1024 * 1024;

/// The kept answers.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// A weak reference identifies the state: its address is not given to another one while the reference is there.
    answers: HashMap<NotebookId, (Weak<Published>, Bytes)>,
    bytes: usize,
}

impl Rendered {
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
        if kept.bytes + bytes.len() > MOST_BYTES {
            *kept = Kept::default();
        }
        let answer = (Arc::downgrade(published), bytes.clone());
        if let Some((_, older)) = kept.answers.insert(published.notebook.id.clone(), answer) {
            kept.bytes -= older.len();
        }
        kept.bytes += bytes.len();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
