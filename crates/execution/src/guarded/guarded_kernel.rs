//! A kernel below its guardian, as the server sees it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};

use super::admission::{Permit, UserPermit};
use super::{orphans, spawner};
use crate::frame::{self, Notice, Request, StartSpec};
use crate::kernel::{Execution, Kernel, KernelEvent, StartError};
use crate::options::KernelOptions;

/// Events that wait for the caller. Each may hold all outputs of a cell; more wait in the guardian.
const WAITING_EVENTS: usize = 2;
/// Time for a guardian to end its kernel, before it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct GuardedKernel {
    /// Dropping it closes the guardian's input, which ends the kernel.
    requests: mpsc::Sender<Vec<u8>>,
    events: mpsc::Receiver<KernelEvent>,
    memory_bytes: Arc<AtomicU64>,
    has_ended: bool,
    _permit: Permit,
    user_permit: Option<UserPermit>,
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
        let relay = Relay {
            events: Some(sender),
            started: Some(started),
            memory_bytes: Arc::clone(&memory_bytes),
            processes: Vec::new(),
            directory: spec.directory,
        };
        tokio::spawn(relay.run(output, guardian));
        let mut kernel = Self { requests, events, memory_bytes, has_ended: false, _permit: permit, user_permit: None };
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

    /// Makes the kernel one of a user, as long as it lives.
    pub(super) fn give(&mut self, permit: UserPermit) {
        self.user_permit = Some(permit);
    }

    /// Returns `true` if the kernel still runs, as far as is known.
    pub(super) fn is_alive(&mut self) -> bool {
        // Before the first execution, there is no event but the end.
        matches!(self.events.try_recv(), Err(mpsc::error::TryRecvError::Empty))
    }

    async fn request(&self, request: &Request) {
        // A failure means that the guardian is gone, which its last event says.
        if let Ok(request) = frame::encode(request) {
            let _ = self.requests.send(request).await;
        }
    }
}

#[async_trait]
impl Kernel for GuardedKernel {
    async fn execute(&mut self, execution: Execution<'_>) {
        let Execution { code, position } = execution;
        self.request(&Request::Execute { code: code.to_owned(), position }).await;
    }

    async fn next_event(&mut self) -> KernelEvent {
        if self.has_ended {
            return std::future::pending().await;
        }
        let event = self.events.recv().await;
        let event = event.unwrap_or_else(|| KernelEvent::Ended("the kernel's guardian was killed".to_owned()));
        self.has_ended = matches!(event, KernelEvent::Ended(_));
        event
    }

    async fn interrupt(&mut self) {
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

/// What is to be done with what a guardian tells.
struct Relay {
    events: Option<mpsc::Sender<KernelEvent>>,
    started: Option<oneshot::Sender<()>>,
    memory_bytes: Arc<AtomicU64>,
    /// The processes below the guardian, when it last told.
    processes: Vec<u32>,
    directory: PathBuf,
}

impl Relay {
    /// Relays all that the guardian tells, and sees to it that nothing is left when it has ended.
    async fn run(mut self, mut output: ChildStdout, mut guardian: Child) {
        while let Ok(Some(notice)) = frame::read(&mut output).await {
            match notice {
                Notice::Started => drop(self.started.take().map(|started| started.send(()))),
                Notice::Usage { memory_bytes, processes } => {
                    self.memory_bytes.store(memory_bytes, Ordering::Relaxed);
                    self.processes = processes;
                }
                event => self.tell(event).await,
            }
        }
        self.memory_bytes.store(0, Ordering::Relaxed);
        // The caller learns of the end at once; what is below takes some milliseconds more.
        self.events = None;
        let ended = tokio::time::timeout(END_TIMEOUT, guardian.wait()).await;
        if !matches!(ended, Ok(Ok(status)) if status.success()) {
            tracing::warn!(?ended, "the guardian of a kernel did not end well; what it has left is killed");
            let _ = guardian.kill().await;
            let name = self.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            orphans::kill_all(&name, &self.processes).await;
        }
        let directory = self.directory;
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(&directory)).await;
        match removed {
            Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the directory of a kernel cannot be removed");
            }
            _ => {}
        }
    }

    async fn tell(&mut self, notice: Notice) {
        let (Some(events), Some(event)) = (&self.events, notice.into_event()) else { return };
        if events.send(event).await.is_err() {
            // Nobody is left who wants to know; the guardian has seen the end of its input.
            self.events = None;
        }
    }
}
