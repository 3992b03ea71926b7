//! Concurrent work on many notebooks, whose outcomes are reported in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::TransferError;
use crate::line::{Line, ProgressObserver, Summary};
use crate::stored::WorkError;

/// Maximum number of outcomes that wait for an earlier one, for each job.
const MAX_WAITING: usize = 32;

/// A line, or the reason why the transfer cannot continue.
pub(crate) type WorkResult = Result<Line, TransferError>;

/// Tasks in flight, oldest first.
pub(crate) struct Pipeline<'w> {
    watch: &'w mut dyn ProgressObserver,
    permits: Arc<Semaphore>,
    tasks: FuturesOrdered<JoinHandle<WorkResult>>,
    max_tasks: usize,
    stopped: Arc<AtomicBool>,
    turn: Option<oneshot::Receiver<()>>,
    summary: Summary,
}

/// Permit to have one notebook in memory, and a place in the order.
pub(crate) struct Job {
    before: Option<oneshot::Receiver<()>>,
    after: Option<oneshot::Sender<()>>,
    stopped: Arc<AtomicBool>,
    _permit: OwnedSemaphorePermit,
}

impl Job {
    /// Waits until all earlier jobs have passed on. A job that is dropped counts as passed on.
    pub(crate) async fn turn(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = before.await; // a dropped sender counts as passed on
        }
    }

    /// Lets the next job have its turn.
    pub(crate) fn pass_on(&mut self) {
        if let Some(after) = self.after.take() {
            let _ = after.send(()); // there may be no next job
        }
    }

    /// Separates a failure of this notebook from one of the transfer. After the latter, the pipeline begins nothing
    /// new.
    pub(crate) fn classify(&self, error: WorkError) -> Result<String, TransferError> {
        match error {
            WorkError::Notebook(reason) => Ok(reason),
            WorkError::Transfer(error) => {
                self.stopped.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

impl<'w> Pipeline<'w> {
    /// Returns a pipeline with at most `jobs` notebooks in memory at once.
    pub(crate) fn new(jobs: usize, watch: &'w mut dyn ProgressObserver) -> Self {
        let jobs = jobs.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            watch,
            permits: Arc::new(Semaphore::new(jobs)),
            tasks: FuturesOrdered::new(),
            max_tasks: jobs.saturating_mul(MAX_WAITING),
            stopped: Arc::default(),
            turn: None,
            summary: Summary::default(),
        }
    }

    pub(crate) fn watch(&mut self) -> &mut dyn ProgressObserver {
        self.watch
    }

    /// Begins another task when there is room, and reports earlier ones meanwhile. Fails if the transfer has to end.
    pub(crate) async fn begin<F>(&mut self, work: impl FnOnce(Job) -> F) -> Result<(), TransferError>
    where
        F: Future<Output = WorkResult> + Send + 'static,
    {
        while self.tasks.len() >= self.max_tasks {
            self.tell_next().await?;
        }
        let permit = loop {
            let permit = Arc::clone(&self.permits).acquire_owned();
            tokio::select! {
                permit = permit => break permit.map_err(|closed| TransferError::Broken(closed.to_string()))?,
                Some(done) = self.tasks.next() => self.tell(done)?,
            }
        };
        let (after, next) = oneshot::channel();
        let before = self.turn.replace(next);
        let job = Job { before, after: Some(after), stopped: Arc::clone(&self.stopped), _permit: permit };
        self.tasks.push_back(tokio::spawn(work(job)));
        // A failure may have happened and not been reported yet, because it waits for its turn: nothing more is begun.
        while self.stopped.load(Ordering::Relaxed) && !self.tasks.is_empty() {
            self.tell_next().await?;
        }
        Ok(())
    }

    /// Reports a line that needed no work.
    pub(crate) fn tell_now(&mut self, line: &Line) -> Result<(), TransferError> {
        self.summary.add(line.outcome);
        self.watch.line(line).map_err(TransferError::Report)
    }

    /// Waits for all tasks in flight. After a failure as well: the work done before it is reported, then the failure is
    /// returned.
    pub(crate) async fn drain(&mut self, outcome: Result<(), TransferError>) -> Result<(), TransferError> {
        let mut outcome = outcome;
        while let Some(done) = self.tasks.next().await {
            let told = match done {
                // After a failed write of the report, no more lines are written.
                _ if matches!(outcome, Err(TransferError::Report(_))) => Ok(()),
                done => self.tell(done),
            };
            outcome = outcome.and(told);
        }
        outcome
    }

    /// Does the same as [`Self::drain`] at the end, and returns the number of lines by outcome.
    pub(crate) async fn end(&mut self, outcome: Result<(), TransferError>) -> Result<Summary, TransferError> {
        self.drain(outcome).await?;
        Ok(std::mem::take(&mut self.summary))
    }

    async fn tell_next(&mut self) -> Result<(), TransferError> {
        match self.tasks.next().await {
            Some(done) => self.tell(done),
            None => Ok(()),
        }
    }

    fn tell(&mut self, done: Result<WorkResult, tokio::task::JoinError>) -> Result<(), TransferError> {
        let line = done.map_err(|panicked| TransferError::Broken(panicked.to_string()))??;
        self.tell_now(&line)
    }
}

/// Runs blocking work on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TransferError> {
    tokio::task::spawn_blocking(work).await.map_err(|panicked| TransferError::Broken(panicked.to_string()))
}
