//! Analysing code without holding up the runtime.

use std::io;
use std::sync::Arc;

use quire_domain::{Analysis, CellType, Notebook, OpenNotebook, analyse};
use tokio::sync::{Semaphore, oneshot};

/// Code up to this many bytes is analysed in place: it takes microseconds, less than handing it over.
const INLINE_BYTES: usize = 2 * 1024;

/// Analyses code in a bounded pool, so that neither the runtime nor other notebooks wait for a hostile cell.
#[derive(Debug)]
pub(crate) struct Analyser {
    pool: quire_analysis::Pool,
    /// How many notebooks may be opened at once: opening analyses every cell.
    openings: Semaphore,
}

impl Analyser {
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        Ok(Self { pool: quire_analysis::Pool::new(threads)?, openings: Semaphore::new(threads.max(1)) })
    }

    pub(crate) async fn analyse(&self, cell_type: CellType, code: Arc<str>) -> Arc<Analysis> {
        if code.len() <= INLINE_BYTES {
            return Arc::new(analyse(cell_type, &code));
        }
        let (done, answer) = oneshot::channel();
        self.pool.submit(cell_type, Arc::clone(&code), move |analysis| drop(done.send(analysis)));
        match answer.await {
            Ok(analysis) => analysis,
            // The pool always answers while it lives; it ends with the service, and then nobody waits any more.
            Err(_) => Arc::new(analyse(cell_type, &code)),
        }
    }

    /// Opens a notebook: analyses all its cells and builds its graph.
    pub(crate) async fn open(&self, notebook: Notebook) -> OpenNotebook {
        let bytes: usize = notebook.cells.iter().map(|cell| cell.code.len()).sum();
        if bytes <= INLINE_BYTES {
            return OpenNotebook::open(notebook);
        }
        // The semaphore is never closed; without a permit the opening is only less orderly.
        let _permit = self.openings.acquire().await.ok();
        let again = notebook.clone();
        // A blocking task is lost only when the runtime ends, and then nobody waits any more.
        let opened = tokio::task::spawn_blocking(move || OpenNotebook::open(notebook)).await;
        opened.unwrap_or_else(|_lost| OpenNotebook::open(again))
    }
}
