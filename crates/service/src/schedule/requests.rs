//! Records of requests to run cells: which cells each has, and how they ended.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use quire_domain::CellId;

/// Maximum requests that wait for their cells at one time.
pub(super) const MAX_WAITING_REQUESTS: usize = 1_000;
/// Maximum cells of all records together, those of ten runs of the largest notebook. Records of done requests make room.
pub(super) const MAX_RECORDED_CELLS: usize = 10 * quire_domain::limits::CELLS;
/// Maximum records of done requests, the oldest of which are dropped.
pub(super) const MAX_DONE_REQUESTS: usize = 1_000;

/// Number of a request, unique in its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request that is refused, because too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many runs of this notebook are waiting: wait until some are done, or stop them")]
pub(crate) struct TooManyRequests;

/// How a cell of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellEnd {
    /// It ran to its end.
    Success,
    /// It ran and failed, or could not run for a reason of its own.
    Error,
    /// It was interrupted.
    Interrupted,
    /// It did not run, because a cell that it depends on failed.
    Blocked,
    /// It did not run, because it was deleted before.
    Deleted,
    /// It did not run, because the queue was emptied or an edit made it SQL that changes data.
    Cancelled,
}

impl CellEnd {
    /// Returns the end as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Interrupted => "interrupted",
            Self::Blocked => "blocked",
            Self::Deleted => "deleted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Record of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    cells: Vec<(CellId, Option<CellEnd>)>,
    /// Number of the cells that have not ended.
    left: usize,
}

impl RunRecord {
    /// Returns the cells in the order planned at first, with their ends where they have ended.
    #[must_use]
    pub fn cells(&self) -> &[(CellId, Option<CellEnd>)] {
        &self.cells
    }

    /// Returns `true` if every cell has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left == 0
    }
}

/// A cell's place in the record of a request that waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    run: RunId,
    index: usize,
}

/// The records of a schedule.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    records: HashMap<RunId, RunRecord>,
    /// The done requests, the oldest first.
    done: VecDeque<RunId>,
    recorded_cells: usize,
}

impl Requests {
    /// Begins a request for these cells. Returns it with the cells' waiters.
    pub(super) fn begin(&mut self, cells: Vec<CellId>) -> Result<(RunId, Vec<(CellId, Waiter)>), TooManyRequests> {
        while self.recorded_cells + cells.len() > MAX_RECORDED_CELLS && self.forget_oldest() {}
        let waiting = self.records.len() - self.done.len();
        if waiting >= MAX_WAITING_REQUESTS || self.recorded_cells + cells.len() > MAX_RECORDED_CELLS {
            return Err(TooManyRequests);
        }
        self.last += 1;
        let run = RunId(self.last);
        let waiters = cells.iter().enumerate().map(|(index, cell)| (cell.clone(), Waiter { run, index })).collect();
        self.recorded_cells += cells.len();
        let record = RunRecord { left: cells.len(), cells: cells.into_iter().map(|cell| (cell, None)).collect() };
        let is_done = record.is_done();
        self.records.insert(run, record);
        if is_done {
            self.finish(run);
        }
        Ok((run, waiters))
    }

    /// Records the end of a cell for those that wait for it. Returns the requests that are done now.
    pub(super) fn end(&mut self, waiters: &[Waiter], end: CellEnd) -> Vec<RunId> {
        let mut done = Vec::new();
        for waiter in waiters {
            let Some(record) = self.records.get_mut(&waiter.run) else { continue };
            if let Some((_, open @ None)) = record.cells.get_mut(waiter.index) {
                *open = Some(end);
                record.left -= 1;
                if record.is_done() {
                    done.push(waiter.run);
                }
            }
        }
        for &run in &done {
            self.finish(run);
        }
        done
    }

    pub(super) fn record(&self, run: RunId) -> Option<&RunRecord> {
        self.records.get(&run)
    }

    fn finish(&mut self, run: RunId) {
        self.done.push_back(run);
        while self.done.len() > MAX_DONE_REQUESTS && self.forget_oldest() {}
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(run) = self.done.pop_front() else { return false };
        if let Some(record) = self.records.remove(&run) {
            self.recorded_cells -= record.cells.len();
        }
        true
    }
}
