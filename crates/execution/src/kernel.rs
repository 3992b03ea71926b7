//! What a caller needs of a kernel, whichever kind it is.

use std::fmt::Debug;

use async_trait::async_trait;
use quire_domain::Output;

/// A source of kernels.
#[async_trait]
pub trait KernelProvider: Debug + Send + Sync {
    /// Starts a kernel, or hands out one that was started ahead. Returns when it takes code.
    ///
    /// # Errors
    /// [`StartError`], whose text says what the user or the operator can do.
    async fn start(&self, request: &KernelRequest) -> Result<Box<dyn Kernel>, StartError>;
}

/// The user and the notebook that a kernel is for.
#[derive(Clone, Debug)]
pub struct KernelRequest {
    /// The user, whose kernels are counted together.
    pub user: String,
    /// The notebook, for log lines.
    pub notebook: String,
}

/// The reason why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The user, or the server, has as many kernels as allowed.
    #[error("{0}")]
    TooMany(String),
    /// There is no Python with the needed packages.
    #[error("{0}")]
    NotInstalled(String),
    /// The kernel ended or said nothing while it was started.
    #[error("the kernel did not start: {0}")]
    Failed(String),
}

/// A running kernel with one namespace. Dropping it ends it, with all processes that it has started.
#[async_trait]
pub trait Kernel: Debug + Send {
    /// Begins to execute code. Its events follow, of which [`KernelEvent::Finished`] is the last; the caller waits for it before it
    /// executes more.
    async fn execute(&mut self, execution: Execution<'_>);

    /// Waits for the next event. After [`KernelEvent::Ended`], there are none.
    ///
    /// Cancel safe: a dropped future loses no event.
    async fn next_event(&mut self) -> KernelEvent;

    /// Interrupts what the kernel executes. If it goes on, the kernel is ended: [`KernelEvent::Ended`] follows within 6 s.
    async fn interrupt(&mut self);

    /// Returns the resident memory of all processes of the kernel, in bytes.
    fn memory_bytes(&self) -> u64;
}

/// Code to execute.
#[derive(Clone, Copy, Debug)]
pub struct Execution<'a> {
    /// The code.
    pub code: &'a str,
    /// The number in the file name that tracebacks show, `Cell[n]`; `None` for code of the service itself, which has no outputs and is not
    /// counted.
    pub position: Option<usize>,
}

/// An event of a kernel.
#[derive(Clone, Debug)]
pub enum KernelEvent {
    /// Printed text, on standard output or standard error. At most [`STDOUT_BYTES`](quire_domain::limits::STDOUT_BYTES) for each
    /// execution, with a mark where it was cut.
    Stdout(String),
    /// One more output of the execution. At most [`OUTPUTS_BYTES`](quire_domain::limits::OUTPUTS_BYTES) together; in place of a larger one comes a text that
    /// says its size.
    Output(Output),
    /// Another value for the output with this index, counted from 0 since the beginning of the execution or the last [`Self::Cleared`].
    Updated(usize, Output),
    /// The removal of all outputs and all printed text of the execution so far.
    Cleared,
    /// The end of the execution.
    Finished {
        /// The outcome.
        outcome: Outcome,
        /// `true` if the kernel ends with it, as after `exit()`: [`Self::Ended`] follows.
        is_last: bool,
    },
    /// The end of the kernel, with the reason in words. It comes in place of [`Self::Finished`] while something is executed.
    Ended(String),
}

/// Outcome of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The code ran to its end.
    Success,
    /// The code raised an error: its text for the user, as the contract has it.
    Error(String),
    /// The code was interrupted.
    Interrupted,
}
