//! Analysing code without holding up the runtime.

use std::io;
use std::sync::Arc;

use quire_domain::{Analysis, CellType, Graph, Notebook, NotebookId, OpenNotebook, analyse};
use quire_storage::StoreError;
use tokio::sync::{Semaphore, oneshot};

use crate::event::Published;

/// Code up to this many bytes is analysed in place: it takes microseconds, less than handing it over.
const INLINE_BYTES: usize = 2 * 1024;

/// Analyses code in a bounded pool, so that neither the runtime nor other notebooks wait for a hostile cell.
#[derive(Debug)]
pub(crate) struct Analyser {
    pool: quire_analysis::Pool,
    /// How many notebooks may be opened at once: opening analyses every cell.
    openings: Arc<Semaphore>,
}

impl Analyser {
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        Ok(Self { pool: quire_analysis::Pool::new(threads)?, openings: Arc::new(Semaphore::new(threads.max(1))) })
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

    /// Waits until the pool has analysed a cell without code; returns `false` when it no longer does.
    pub(crate) async fn probe(&self) -> bool {
        let (done, answer) = oneshot::channel();
        self.pool.submit(CellType::Python, Arc::from(""), move |analysis| drop(done.send(analysis)));
        answer.await.is_ok()
    }

    /// Builds the dependency graph of a notebook.
    pub(crate) async fn graph(&self, published: Arc<Published>) -> Result<Graph, StoreError> {
        let id = published.notebook.id.clone();
        self.aside(&id, move || Graph::new(published.notebook.cells.iter())).await
    }

    /// Opens a notebook, or a later state of the one `known`: analyses its cells and builds its graph.
    pub(crate) async fn open(
        &self,
        notebook: Notebook,
        known: Option<Arc<Published>>,
    ) -> Result<OpenNotebook, StoreError> {
        let id = notebook.id.clone();
        let bytes: usize = notebook.cells.iter().map(|cell| cell.code.len()).sum();
        let open = move || match known {
            Some(known) => OpenNotebook::reopen(notebook, &known.notebook),
            None => OpenNotebook::open(notebook),
        };
        if bytes <= INLINE_BYTES {
            return Ok(open());
        }
        self.aside(&id, open).await
    }

    /// Does the work for a notebook on a thread where it holds up nobody, when its turn comes.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        id: &NotebookId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.openings).acquire_owned().await;
        // The permit goes with the work, which goes on when nobody waits for it any more.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|lost| StoreError::Backend { action: format!("open notebook {id}"), source: lost.into() })
    }
}
