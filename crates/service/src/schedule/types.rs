//! What a schedule is told and what it answers.

use quire_domain::{CellId, Graph, Notebook};

use super::RunId;

/// A state of a notebook with its graph, both of one revision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotebookState<'a> {
    /// The notebook, as [`quire_domain::OpenNotebook`] holds it.
    pub(crate) notebook: &'a Notebook,
    /// Its graph.
    pub(crate) graph: &'a Graph,
}

/// The cells that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These cells.
    Cells(Vec<CellId>),
    /// All cells.
    All,
    /// All stale cells, without SQL that changes data and what depends on it.
    Stale,
}

/// Outcome of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellOutcome {
    /// The code ran to its end.
    Success,
    /// The code raised an error.
    Error,
    /// The code was interrupted.
    Interrupted,
}

/// What the caller has to do or to tell, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Execute the cell with the code that it has in the state given. [`super::Schedule::finished`] follows. Nothing comes after this step.
    Execute {
        /// The cell.
        cell: CellId,
    },
    /// Remove these names from the kernel's namespace, where they are there. [`super::Schedule::next`] follows when that is done.
    /// Nothing comes after this step.
    RemoveNames(Vec<String>),
    /// The cell does not run, because another that it depends on failed: status `blocked`.
    Block {
        /// The cell.
        cell: CellId,
        /// The cell that failed, or is on a cycle.
        by: CellId,
    },
    /// The cell does not run, because it is on a cycle: status `error` with the cycle's text.
    FailCycle {
        /// The cell.
        cell: CellId,
    },
    /// The cell does not run: status `error` with this text.
    Fail {
        /// The cell.
        cell: CellId,
        /// The reason, a sentence for the user.
        reason: String,
    },
    /// The cell left the queue and does not run: its status is that of its last run again.
    Dequeued {
        /// The cell.
        cell: CellId,
    },
    /// Every cell of the request has ended, one way or another.
    RequestDone(RunId),
}
