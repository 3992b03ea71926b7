//! The life of a kernel: started, executing what the server sends, ended.

use std::io;
use std::time::Duration;

use rustix::process::{Signal, WaitStatus};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::channels::{Channels, Received};
use super::execution::Execution;
use super::interrupt::{Interrupt, Step};
use super::kernel_process::KernelProcess;
use super::reason::{self, Circumstances};
use super::signals::{ChildSignal, StopSignals};
use super::usage::Watch;
use super::writer::Writer;
use super::{directory, processes};
use crate::frame::{self, Notice, Request, StartSpec};
use crate::kernel::Outcome;

/// Time for one more message of those that a kernel had sent when it ended.
const LAST_MESSAGES: Duration = Duration::from_millis(50);
/// The longest time for them, however many there are.
const LAST_MESSAGES_TIMEOUT: Duration = Duration::from_secs(2);
const STOPPED: &str = "the kernel was stopped from outside, as when the machine stops";
const NOT_STOPPED: &str = "the kernel did not stop when it was interrupted, and was ended";

/// The end of a session.
pub(super) enum End {
    /// The server wants no kernel any more.
    Stop,
    /// The kernel has ended, or must.
    Reason(String),
}

impl<E: std::error::Error> From<E> for End {
    fn from(error: E) -> Self {
        Self::Reason(error.to_string())
    }
}

/// Runs a kernel until it ends or the server closes `input`.
pub(super) async fn run(spec: StartSpec, input: pipe::Receiver, output: pipe::Sender) -> io::Result<()> {
    let own_directory = spec.directory.clone();
    let (sender, requests) = mpsc::channel(1);
    let reader = tokio::spawn(read_requests(input, sender));
    let writer = Writer::start(output);
    let end = match super::start::start(spec, requests, &writer).await {
        Ok(mut session) => {
            let end = session.serve().await;
            if let End::Reason(_) = end {
                session.finish().await;
            }
            end
        }
        Err(end) => end,
    };
    if let End::Reason(reason) = end {
        writer.change(|outbox| outbox.other(Notice::Ended(reason)));
    }
    let killed = processes::kill_all().await;
    // What it cannot remove, the server tries once more.
    let removed = directory::remove(&own_directory);
    writer.close(reader).await;
    killed.and(removed)
}

/// Reads requests to their end, also those that are of no use any more.
async fn read_requests(mut input: pipe::Receiver, requests: mpsc::Sender<io::Result<Request>>) {
    loop {
        match frame::read(&mut input).await {
            Ok(Some(request)) => drop(requests.send(Ok(request)).await),
            Ok(None) => return,
            Err(error) => {
                let _ = requests.send(Err(error)).await;
                return;
            }
        }
    }
}

pub(super) struct Session<'a> {
    pub(super) spec: StartSpec,
    pub(super) process: KernelProcess,
    pub(super) channels: Channels,
    pub(super) writer: &'a Writer,
    pub(super) requests: mpsc::Receiver<io::Result<Request>>,
    pub(super) child_signal: ChildSignal,
    pub(super) stop_signals: StopSignals,
    pub(super) circumstances: Circumstances,
    pub(super) watch: Watch,
    pub(super) current: Option<Execution>,
    /// The id of an execution whose end was not waited for any more. What still comes of it is nobody's.
    pub(super) given_up: Option<String>,
    /// The kernel was told to end.
    pub(super) is_terminated: bool,
}

/// Something that a session waits for.
pub(super) enum Happened {
    Received(Received),
    Request(Request),
    KernelEnded(WaitStatus),
    Stop(End),
    Time,
}

impl Session<'_> {
    async fn serve(&mut self) -> End {
        loop {
            match self.turn().await {
                Ok(Some(outcome)) => {
                    let is_last = self.circumstances.has_exited;
                    self.writer.change(|outbox| outbox.finished(outcome, is_last));
                }
                Ok(None) => {}
                Err(end) => return end,
            }
        }
    }

    /// Waits for something, and does what follows from it. Returns the outcome of an execution that is over.
    pub(super) async fn turn(&mut self) -> Result<Option<Outcome>, End> {
        match self.happened(self.due()).await {
            Happened::Received(received) => self.received(&received),
            Happened::Request(Request::Execute { .. }) if self.current.is_some() => {
                return Err(End::Reason("the kernel was given code while it executed other code".to_owned()));
            }
            Happened::Request(Request::Execute { code, position }) => self.begin(code, position).await?,
            Happened::Request(Request::Interrupt) => {
                if let Some(current) = &mut self.current {
                    current.interrupt.get_or_insert_with(|| Interrupt::new(Instant::now()));
                }
            }
            Happened::Request(Request::Start(_)) | Happened::Time => {}
            Happened::KernelEnded(status) => return Err(self.kernel_ended(status).await),
            Happened::Stop(end) => return Err(end),
        }
        self.interrupt().await?;
        let now = Instant::now();
        if now >= self.watch.due() {
            self.circumstances.look();
        }
        if let Some(too_much) = self.watch.look(now, &self.spec, self.current.is_some(), self.writer) {
            return Err(End::Reason(too_much));
        }
        let Some(current) = &mut self.current else { return Ok(None) };
        let has_exited = current.has_exited();
        let outcome = self.writer.change(|outbox| current.take_outcome(Instant::now(), outbox));
        if outcome.is_some() {
            self.circumstances.has_exited |= has_exited;
            self.is_terminated = false;
            self.given_up = self.current.take().and_then(Execution::given_up);
        }
        Ok(outcome)
    }

    /// Sends code to the kernel.
    pub(super) async fn begin(&mut self, code: String, position: Option<usize>) -> Result<(), End> {
        let id = self.channels.execute(code, position).await?;
        self.current = Some(Execution::new(id, position.is_some()));
        Ok(())
    }

    pub(super) async fn happened(&mut self, until: Instant) -> Happened {
        loop {
            tokio::select! {
                received = self.channels.receive() => return Happened::Received(received),
                request = self.requests.recv() => return match request {
                    Some(Ok(request)) => Happened::Request(request),
                    Some(Err(error)) => Happened::Stop(End::Reason(format!("a request of the server cannot be read: {error}"))),
                    None => Happened::Stop(End::Stop),
                },
                () = self.stop_signals.wait() => return Happened::Stop(End::Reason(STOPPED.to_owned())),
                () = self.child_signal.wait() => {
                    if let Some(status) = self.process.reap() {
                        return Happened::KernelEnded(status);
                    }
                }
                () = tokio::time::sleep_until(until) => return Happened::Time,
            }
        }
    }

    fn received(&mut self, received: &Received) {
        let Some(current) = &mut self.current else { return };
        match received {
            Received::Shell(message) => current.on_shell(message),
            Received::IoPub(message) if self.given_up.as_ref() == Some(&message.parent) => {}
            Received::IoPub(message) => self.writer.change(|outbox| current.on_iopub(message, outbox)),
        }
    }

    /// Returns the time at which something is to be done, whatever happens.
    fn due(&self) -> Instant {
        let current = self.current.as_ref();
        let interrupt = current.and_then(|current| Some(current.interrupt.as_ref()?.due(current.has_begun)));
        let end = current.and_then(Execution::ends_by);
        [interrupt, end].into_iter().flatten().fold(self.watch.due(), Instant::min)
    }

    async fn interrupt(&mut self) -> Result<(), End> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let has_begun = current.has_begun;
        let Some(step) = current.interrupt.as_mut().and_then(|interrupt| interrupt.step(Instant::now(), has_begun))
        else {
            return Ok(());
        };
        match step {
            Step::Signal if self.spec.interrupt_by_message => self.channels.interrupt().await?,
            Step::Signal => self.process.signal(Signal::INT),
            Step::Wake => drop(self.channels.ask_for_info().await?),
            Step::Terminate => {
                self.is_terminated = true;
                self.process.signal(Signal::TERM);
            }
            Step::Kill => return Err(End::Reason(NOT_STOPPED.to_owned())),
        }
        Ok(())
    }

    async fn kernel_ended(&mut self, status: WaitStatus) -> End {
        if self.drain().await {
            return End::Stop;
        }
        if let Some(current) = &self.current {
            self.circumstances.has_exited |= current.has_exited();
        }
        if self.is_terminated {
            return End::Reason(NOT_STOPPED.to_owned());
        }
        End::Reason(reason::describe(status, &self.circumstances))
    }

    /// Takes what the kernel had still sent. Returns `true` if the server wants no more.
    async fn drain(&mut self) -> bool {
        let last = Instant::now() + LAST_MESSAGES_TIMEOUT;
        let mut until = Instant::now() + LAST_MESSAGES;
        loop {
            match self.happened(until.min(last)).await {
                Happened::Received(received) => {
                    self.received(&received);
                    until = Instant::now() + LAST_MESSAGES;
                }
                Happened::Request(_) | Happened::KernelEnded(_) => {}
                Happened::Stop(End::Stop) => return true,
                Happened::Stop(End::Reason(_)) | Happened::Time => return false,
            }
            if Instant::now() >= last {
                return false;
            }
        }
    }

    /// Ends what is executed, since the kernel has ended or must: with all that it has told, and the outcome if it had one.
    async fn finish(&mut self) {
        // Has no effect, if it has ended. What it started is not to use the time.
        processes::stop_and_kill(|| processes::descendants(std::process::id()));
        if self.current.is_none() || self.drain().await {
            return;
        }
        if let Some(mut current) = self.current.take() {
            self.writer.change(|outbox| {
                if let Some(outcome) = current.take_last_outcome(outbox) {
                    outbox.finished(outcome, true);
                }
            });
        }
    }
}
