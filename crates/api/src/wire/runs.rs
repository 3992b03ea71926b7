//! Runs and kernels.

use quire_domain::{CellId, Timestamp};
use quire_service::{CellEnd, KernelState, Run};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::names::{CellEndName, KernelStatusName};

/// The cells to run, of which one field must be there. [`RunCells`] describes it.
#[derive(Deserialize)]
pub(crate) struct RunIn {
    #[serde(default)]
    pub(crate) cells: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) scope: Option<RunScope>,
}

/// The cells to run: those that `cells` names, or those of the `scope`.
#[derive(ToSchema)]
#[schema(example = json!({"scope": "stale"}))]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it is a description alone: a body with both fields must be refused, which serde does not do"
)]
pub(crate) enum RunCells {
    /// Some cells.
    Cells {
        /// Their ids. The cells that depend on them run too.
        #[schema(max_items = 10_000)]
        cells: Vec<String>,
    },
    /// The cells of a scope.
    Scope {
        /// The scope.
        scope: RunScope,
    },
}

/// `all` cells, or those whose results are not of their present content (`stale`).
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunScope {
    All,
    Stale,
}

/// The time for which a response may wait.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitIn {
    /// Waits at most so many seconds, and at most 50, for the end of the run.
    pub(crate) wait: Option<u32>,
}

/// A run.
#[derive(Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RunOut<'a> {
    #[schema(value_type = String)]
    run_id: Uuid,
    /// `true` if all its cells have ended.
    done: bool,
    /// The cells in the order in which they were planned.
    cells: Vec<RunCellOut<'a>>,
}

/// A cell of a run.
#[derive(Serialize, ToSchema)]
#[schema(as = RunCell)]
struct RunCellOut<'a> {
    cell_id: &'a str,
    /// The way in which it ended; null while it waits or runs.
    #[schema(required, value_type = Option<CellEndName>)]
    end: Option<&'static str>,
}

impl<'a> RunOut<'a> {
    pub(crate) fn new(run: &'a Run) -> Self {
        let cell = |(id, end): &'a (CellId, Option<CellEnd>)| RunCellOut {
            cell_id: id.as_str(),
            end: end.map(CellEnd::as_str),
        };
        Self { run_id: run.id, done: run.record.is_done(), cells: run.record.cells().iter().map(cell).collect() }
    }
}

/// The kernel of a notebook.
#[derive(Serialize, ToSchema)]
#[schema(as = Kernel)]
pub(crate) struct KernelOut<'a> {
    #[schema(value_type = KernelStatusName)]
    status: &'static str,
    /// The cell that is executed; null for none.
    #[schema(required)]
    running: Option<&'a str>,
    /// The time at which that began; null for none.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    running_since: Option<Timestamp>,
    /// The cells that wait, in their order.
    queued: Vec<&'a str>,
    /// Bytes of memory of the kernel and all processes that it has started.
    memory_bytes: u64,
    /// The reason why the last kernel ended; null if none has.
    #[schema(required)]
    last_end: Option<&'a str>,
}

impl<'a> KernelOut<'a> {
    pub(crate) fn new(state: &'a KernelState) -> Self {
        Self {
            status: state.status.as_str(),
            running: state.running.as_ref().map(|running| running.cell.as_str()),
            running_since: state.running.as_ref().map(|running| running.since),
            queued: state.queued.iter().map(CellId::as_str).collect(),
            memory_bytes: state.memory_bytes,
            last_end: state.last_end.as_deref(),
        }
    }
}
