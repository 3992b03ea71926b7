//! The execution of one cell: its results so far, and when watchers are told of them.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::{Cell, CellStatus, Output, Results, Timestamp};
use quire_execution::KernelEvent;
use tokio::time::Instant;

use crate::{RunUpdate, RunUpdateKind};

/// Time after the beginning of a run during which nothing is told, so that a short run is told at once, in the order in which clients
/// know it; and the time between two updates of a longer one.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Time between two updates that repeat everything, because outputs were replaced or removed.
const REPEAT_EVERY: Duration = Duration::from_millis(500);
/// Time after which the results so far are stored, and for each [`STORE_BYTES`] of them as much again.
const STORE_EVERY: Duration = Duration::from_secs(1);
const STORE_BYTES: usize = 256 * 1024;

/// A cell that is executed.
#[derive(Debug)]
pub(super) struct Executing {
    /// The cell, with the code that runs.
    pub(super) cell: Arc<Cell>,
    /// The digest of that code.
    pub(super) code_digest: String,
    pub(super) results: Results,
    pub(super) began: Instant,
    /// The reason why it was interrupted, if it was.
    pub(super) interrupted: Option<String>,
    /// What has been told: bytes of the printed text, and number of outputs.
    told: (usize, usize),
    /// `true` if what has been told is not the beginning of the results any more.
    is_replaced: bool,
    tell_at: Option<Instant>,
    store_at: Option<Instant>,
}

impl Executing {
    pub(super) fn new(cell: Arc<Cell>, at: Timestamp) -> Self {
        let (code_digest, run_digest) = (cell.code_digest(), cell.run_digest);
        let results = Results {
            status: CellStatus::Running,
            run_digest: Some(run_digest),
            started_at: Some(at),
            ..Results::default()
        };
        let began = Instant::now();
        let (told, is_replaced, interrupted) = ((0, 0), false, None);
        Self { cell, code_digest, results, began, interrupted, told, is_replaced, tell_at: None, store_at: None }
    }

    /// Returns the update that begins the run.
    pub(super) fn first_update(&self) -> RunUpdate {
        self.update(RunUpdateKind::Status(CellStatus::Running))
    }

    /// Takes over an event of the kernel that is not the end.
    pub(super) fn add(&mut self, event: KernelEvent) {
        let was_replaced = self.is_replaced;
        let outputs = &mut self.results.outputs;
        match event {
            KernelEvent::Stdout(text) => self.results.stdout.push_str(&text),
            KernelEvent::Output(output) => outputs.push(output),
            KernelEvent::Updated(index, output) => {
                let Some(there) = outputs.get_mut(index) else { return };
                *there = output;
                self.is_replaced |= index < self.told.1;
            }
            KernelEvent::Cleared => {
                outputs.clear();
                self.results.stdout.clear();
                self.is_replaced |= self.told != (0, 0);
            }
            KernelEvent::Finished { .. } | KernelEvent::Ended(_) => return,
        }
        if self.is_replaced && !was_replaced {
            self.tell_at = Some(Instant::now() + REPEAT_EVERY);
        }
        self.tell_at.get_or_insert_with(|| Instant::now() + TELL_EVERY);
        let results = &self.results;
        self.store_at.get_or_insert_with(|| {
            let parts = u32::try_from(results.bytes() / STORE_BYTES).unwrap_or(u32::MAX);
            Instant::now() + STORE_EVERY.saturating_mul(parts.saturating_add(1))
        });
    }

    /// Returns the time at which something is to be told or stored.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.tell_at, self.store_at].into_iter().flatten().min()
    }

    /// Makes the next updates tell everything again, because the notebook's writer task is another one.
    pub(super) fn tell_again(&mut self) {
        self.is_replaced = true;
        self.tell_at = Some(Instant::now());
    }

    /// Returns the updates that are due.
    pub(super) fn updates(&mut self) -> Vec<RunUpdate> {
        // What is stored has been told, so that nothing is told twice.
        if self.due().is_none_or(|at| at > Instant::now()) {
            return Vec::new();
        }
        self.tell_at = None;
        let mut kinds = Vec::new();
        if std::mem::take(&mut self.is_replaced) {
            kinds.push(RunUpdateKind::Status(CellStatus::Running));
            self.told = (0, 0);
        }
        let Results { stdout, outputs, .. } = &self.results;
        let text = stdout.get(self.told.0..).unwrap_or_default();
        if !text.is_empty() {
            kinds.push(RunUpdateKind::Stdout(text.to_owned()));
        }
        let more: Vec<Output> = outputs.iter().skip(self.told.1).cloned().collect();
        kinds.extend(more.into_iter().map(RunUpdateKind::Output));
        self.told = (stdout.len(), outputs.len());
        kinds.into_iter().map(|kind| self.update(kind)).collect()
    }

    /// Returns the results so far, if they are to be stored now.
    pub(super) fn results_to_store(&mut self) -> Option<Results> {
        self.store_at.take_if(|at| *at <= Instant::now()).map(|_| self.results.clone())
    }

    /// Returns the results with this end.
    pub(super) fn finish(mut self, error: Option<String>, at: Timestamp) -> Results {
        self.results.status = if error.is_some() { CellStatus::Error } else { CellStatus::Success };
        self.results.error = error;
        self.results.finished_at = Some(at);
        self.results
    }

    fn update(&self, kind: RunUpdateKind) -> RunUpdate {
        RunUpdate { cell: self.cell.id.clone(), kind }
    }
}
