//! The kernel of a run task: none, one that is being started, or one that executes code.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use quire_execution::{Execution, Kernel, KernelEvent, KernelProvider, KernelRequest, StartError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A place for a kernel.
pub(super) enum KernelSlot {
    /// There is none.
    None,
    /// One is being started.
    Starting(Starting),
    /// One is ready.
    Ready(Box<dyn Kernel>),
}

/// A start, which is cancelled when this is dropped.
pub(super) struct Starting(JoinHandle<Result<Box<dyn Kernel>, StartError>>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An event of a kernel, or of its start.
pub(super) enum KernelSlotEvent {
    /// The kernel has started.
    Started,
    /// The kernel could not be started, for this reason.
    Failed(String),
    /// An event of the kernel.
    Kernel(KernelEvent),
}

impl KernelSlot {
    pub(super) fn start(&mut self, runtime: &Handle, provider: &Arc<dyn KernelProvider>, request: KernelRequest) {
        let provider = Arc::clone(provider);
        *self = Self::Starting(Starting(runtime.spawn(async move { provider.start(&request).await })));
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// Waits for the next event.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub(super) async fn next_event(&mut self) -> KernelSlotEvent {
        let started = match self {
            Self::None => pending().await,
            Self::Ready(kernel) => return KernelSlotEvent::Kernel(kernel.next_event().await),
            Self::Starting(starting) => (&mut starting.0).await,
        };
        match started {
            Ok(Ok(kernel)) => {
                *self = Self::Ready(kernel);
                KernelSlotEvent::Started
            }
            Ok(Err(error)) => KernelSlotEvent::Failed(error.to_string()),
            Err(_panicked) => KernelSlotEvent::Failed("the kernel could not be started".to_owned()),
        }
    }

    /// Begins to execute code, if the kernel is ready.
    pub(super) async fn execute(&mut self, execution: Execution<'_>) {
        if let Self::Ready(kernel) = self {
            kernel.execute(execution).await;
        }
    }

    /// Interrupts what is executed, if the kernel is ready.
    pub(super) async fn interrupt(&mut self) {
        if let Self::Ready(kernel) = self {
            kernel.interrupt().await;
        }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        if let Self::Ready(kernel) = self { kernel.memory_bytes() } else { 0 }
    }
}

impl fmt::Debug for KernelSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Starting(_) => "Starting",
            Self::Ready(_) => "Ready",
        })
    }
}
