//! Runs of cells. Each notebook whose cells run has one run task, which owns its kernel and its queue.
//!
//! A run task decides nothing itself: [`Schedule`](crate::schedule::Schedule) says which cell is next, the kernel executes it, and a
//! reporter takes updates and results to the writer task, like every other change of the notebook.

mod commands;
mod executing;
mod kernel_slot;
mod kernels;
mod lease;
mod reporter;
mod requests;
mod steps;
mod task;

pub(crate) use kernels::Runs;
pub use requests::{KernelState, KernelStatus, Run, RunningCell};
