//! A kernel below its guardian, as the server sees it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, oneshot};

use super::admission::{Permit, UserPermit};
use super::relay::{Expectation, Relay};
use super::spawner;
use crate::frame::{self, Request, StartSpec};
use crate::kernel::{Execution, Kernel, KernelEvent, StartError};
use crate::options::KernelOptions;

/// Events that wait for the caller. Each may hold all outputs of a cell; more wait in the guardian.
const WAITING_EVENTS: usize = 2;

#[derive(Debug)]
pub(super) struct GuardedKernel {
    /// Dropping it closes the guardian's input, which ends the kernel.
    requests: mpsc::Sender<Vec<u8>>,
    events: mpsc::Receiver<KernelEvent>,
    memory_bytes: Arc<AtomicU64>,
    expectation: Arc<Expectation>,
    /// The reason for which it is of no more use, if that is on this side.
    failure: Option<String>,
    has_ended: bool,
    permit: Arc<Permit>,
}

impl Drop for GuardedKernel {
    fn drop(&mut self) {
        self.permit.begin_to_end();
    }
}

impl GuardedKernel {
    /// Starts a kernel. When the future is dropped, it ends.
    pub(super) async fn start(spec: StartSpec, options: &KernelOptions, permit: Permit) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError::Failed(error.to_string());
        let first = frame::encode(&Request::Start(Box::new(spec.clone()))).map_err(failed)?;
        let mut guardian = spawner::spawn(&options.guardian).await.map_err(failed)?;
        let (Some(input), Some(output)) = (guardian.stdin.take(), guardian.stdout.take()) else {
            return Err(StartError::Failed("the guardian has no pipes".to_owned()));
        };
        let (requests, to_write) = mpsc::channel(4);
        tokio::spawn(write(input, to_write));
        // Room for one is always there.
        let _ = requests.send(first).await;
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        let (started, mut has_started) = oneshot::channel();
        let memory_bytes = Arc::<AtomicU64>::default();
        let (permit, expectation) = (Arc::new(permit), Arc::<Expectation>::default());
        let relay = Relay {
            events: Some(sender),
            started: Some(started),
            memory_bytes: Arc::clone(&memory_bytes),
            expectation: Arc::clone(&expectation),
            guardian_program: options.guardian.clone(),
            directory: spec.directory,
            _permit: Arc::clone(&permit),
        };
        tokio::spawn(relay.run(output, guardian));
        let mut kernel = Self { requests, events, memory_bytes, expectation, failure: None, has_ended: false, permit };
        let outcome = tokio::time::timeout(options.start_timeout, async {
            tokio::select! {
                // Not when the sender is dropped, which comes of the end too.
                Ok(()) = &mut has_started => None,
                event = kernel.events.recv() => Some(event),
            }
        });
        match outcome.await {
            Ok(None) => Ok(kernel),
            Ok(Some(Some(KernelEvent::Ended(reason)))) if reason.contains("No module named ipykernel") => {
                let why = "the Python of the server has no ipykernel: install it (python -m pip install ipykernel), or name another Python (--python)";
                Err(StartError::NotInstalled(why.to_owned()))
            }
            Ok(Some(Some(KernelEvent::Ended(reason)))) => Err(StartError::Failed(reason)),
            Ok(Some(_)) => Err(StartError::Failed("its guardian ended".to_owned())),
            Err(_) => {
                let seconds = options.start_timeout.as_secs();
                Err(StartError::Failed(format!("it did not answer within {seconds} seconds")))
            }
        }
    }

    /// Makes the kernel one of a user, until it is gone.
    pub(super) fn give(&self, permit: UserPermit) {
        self.permit.give(permit);
    }

    /// Returns `true` if the kernel still runs, as far as is known.
    pub(super) fn is_alive(&mut self) -> bool {
        // Before the first execution, there is no event but the end.
        matches!(self.events.try_recv(), Err(mpsc::error::TryRecvError::Empty))
    }

    async fn request(&mut self, request: &Request) {
        match frame::encode(request) {
            // A failure means that the guardian is gone, which its last event says.
            Ok(request) => drop(self.requests.send(request).await),
            Err(error) => self.failure = Some(format!("the code cannot be sent to the kernel: {error}")),
        }
    }
}

#[async_trait]
impl Kernel for GuardedKernel {
    async fn execute(&mut self, execution: Execution<'_>) {
        let Execution { code, position } = execution;
        self.expectation.begin();
        self.request(&Request::Execute { code: code.to_owned(), position }).await;
    }

    async fn next_event(&mut self) -> KernelEvent {
        if self.has_ended {
            return std::future::pending().await;
        }
        if let Some(reason) = self.failure.take() {
            self.has_ended = true;
            return KernelEvent::Ended(reason);
        }
        let event = self.events.recv().await;
        let event = event.unwrap_or_else(|| KernelEvent::Ended("the kernel's guardian was killed".to_owned()));
        self.has_ended = matches!(event, KernelEvent::Ended(_));
        event
    }

    async fn interrupt(&mut self) {
        self.expectation.interrupt();
        self.request(&Request::Interrupt).await;
    }

    fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }
}

/// Writes requests to the guardian, and closes its input when there will be no more.
async fn write(mut input: ChildStdin, mut requests: mpsc::Receiver<Vec<u8>>) {
    while let Some(request) = requests.recv().await {
        if input.write_all(&request).await.is_err() {
            return;
        }
    }
}
