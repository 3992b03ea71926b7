//! Analysis of code in a thread pool, so that the runtime is not blocked and users take turns.

use std::io;
use std::sync::Arc;

use quire_domain::{Analysis, CellType, Change, Notebook, NotebookSize, OpenNotebook, UserId, analyse};
use tokio::sync::oneshot;

use crate::ServiceError;
use crate::interrupted::end_interrupted;
use crate::memory::Memory;
use crate::published::Published;
use crate::work::{Budgets, Kind, Lane, Lanes, Permit};

/// Maximum bytes of Python that are analysed inline. The analysis takes time in proportion to the bytes, and less than the
/// hand-over to another thread. SQL is never analysed inline, because the time of its parser is not bounded.
const INLINE_BYTES: u64 = 2 * 1024;
/// Cost of a cell without code when its notebook is opened, in bytes of code.
const CELL_COST: u64 = 16;

/// Analyses code in bounded lanes, so that neither the runtime nor other users wait for a hostile cell.
#[derive(Debug)]
pub(crate) struct Analyser {
    pool: quire_analysis::Pool,
    short: Arc<Lane>,
    long: Arc<Lane>,
}

impl Analyser {
    pub(crate) fn new(budgets: &Budgets, lanes: &Lanes) -> io::Result<Self> {
        let threads = budgets[Kind::ShortAnalysis].at_once + budgets[Kind::LongAnalysis].at_once;
        let lane = |kind| Arc::clone(lanes.of(kind));
        let (short, long) = (lane(Kind::ShortAnalysis), lane(Kind::LongAnalysis));
        Ok(Self { pool: quire_analysis::Pool::new(threads)?, short, long })
    }

    /// Analyses a cell of this user.
    ///
    /// # Errors
    /// Returns an error if too much code of the user, or of all users, waits for its analysis.
    pub(crate) async fn analyse(
        &self,
        user: &UserId,
        cell_type: CellType,
        code: Arc<str>,
    ) -> Result<Arc<Analysis>, ServiceError> {
        let bytes = code.len() as u64;
        if cell_type == CellType::Python && bytes <= INLINE_BYTES {
            return Ok(Arc::new(analyse(cell_type, &code)));
        }
        let lane = if quire_analysis::Pool::is_short(&code) { &self.short } else { &self.long };
        let permit = lane.enter(user, bytes).await?;
        match self.in_pool(permit, cell_type, Arc::clone(&code)).await {
            Some(analysis) => Ok(analysis),
            // The pool replies as long as it lives, and it ends with the service.
            None => Err(ServiceError::Closing),
        }
    }

    /// Waits until the pool has analysed an empty cell, as the next in the lane of edits. Returns `false` if the pool has ended.
    pub(crate) async fn probe(&self) -> bool {
        let permit = self.short.enter_first().await;
        self.in_pool(permit, CellType::Python, Arc::from("")).await.is_some()
    }

    async fn in_pool(&self, permit: Permit, cell_type: CellType, code: Arc<str>) -> Option<Arc<Analysis>> {
        let (done, answer) = oneshot::channel();
        self.pool.submit(cell_type, code, move |analysis| {
            drop(permit);
            let _ = done.send(analysis); // the caller may be gone
        });
        answer.await.ok()
    }

    /// Opens a notebook: analyses its cells and builds its graph.
    ///
    /// # Errors
    /// Returns [`ServiceError::NotebookTooLarge`] as soon as the analysed cells exceed the limit.
    pub(crate) async fn open(
        &self,
        permit: Permit,
        notebook: Notebook,
        memory: &Arc<Memory>,
    ) -> Result<OpenNotebook, ServiceError> {
        let notebook = end_interrupted(notebook, None);
        let (id, cost) = (notebook.id.clone(), analysis_cost(NotebookSize::of(notebook.cells.iter())));
        let is_short = cost <= INLINE_BYTES && notebook.cells.iter().all(|cell| cell.cell_type == CellType::Python);
        let (label, memory) = (id.clone(), Arc::clone(memory));
        let open = move || OpenNotebook::try_open(notebook, None, |size| memory.check_one(&id, size.memory_bytes()));
        if is_short {
            return open();
        }
        permit.charge(cost);
        permit.run_blocking(|| format!("open notebook {label}"), open).await?
    }

    /// Opens a later state of the notebook `known`, and returns it with the change.
    ///
    /// # Errors
    /// Returns the errors of [`Self::open`].
    pub(crate) async fn reopen(
        &self,
        permit: Permit,
        notebook: Notebook,
        known: Arc<Published>,
        memory: &Arc<Memory>,
    ) -> Result<(OpenNotebook, Option<Change>), ServiceError> {
        let id = notebook.id.clone();
        permit.charge(analysis_cost(NotebookSize::of(notebook.cells.iter())));
        let (label, memory) = (id.clone(), Arc::clone(memory));
        let reopen = move || {
            let admit = |size: NotebookSize| memory.check_one(&id, size.memory_bytes());
            let notebook = end_interrupted(notebook, Some(&known.stored));
            let open = OpenNotebook::try_open(notebook, Some(&known.stored), admit)?;
            let change = Change::between(&known.stored, open.notebook());
            Ok((open, change))
        };
        permit.run_blocking(|| format!("open notebook {label} again"), reopen).await?
    }
}

/// Returns the cost of analysing all cells of a notebook of this size, in bytes of code.
pub(crate) fn analysis_cost(size: NotebookSize) -> u64 {
    size.code_bytes() as u64 + size.cells() as u64 * CELL_COST
}
