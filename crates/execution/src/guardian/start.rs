//! The start of a kernel, up to the moment at which it takes code.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::channels::{Channels, Received, connection_info};
use super::kernel_process::KernelProcess;
use super::launch;
use super::message::KernelInfo;
use super::reason::{self, Circumstances};
use super::session::{End, Happened, Session};
use super::signals::{ChildSignal, StopSignals};
use super::usage::Watch;
use super::writer::Writer;
use crate::frame::{Notice, Request, StartSpec};
use crate::kernel::Outcome;

/// Code that the kernel executes first, if it is `IPython`'s.
const STARTUP: &str = include_str!("startup.py");
/// Time between two questions to a kernel that does not answer.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the kernel. The server ends the wait when it takes too long.
pub(super) async fn start(
    spec: StartSpec,
    requests: mpsc::Receiver<io::Result<Request>>,
    writer: &Writer,
) -> Result<Session<'_>, End> {
    let info = connection_info(&spec.directory)?;
    // Before the directory is made: a signal would end this process otherwise, and leave the directory.
    let (mut child_signal, mut stop_signals, mut requests) = (ChildSignal::new()?, StopSignals::new()?, requests);
    let connection_file = launch::make_directory(&spec, &info)?;
    let circumstances = Circumstances::new(spec.limits.cpu_seconds);
    let process = KernelProcess::spawn(&spec, &connection_file)?;
    let channels = tokio::select! {
        channels = Channels::connect(&info) => channels?,
        end = ended(&process, &mut child_signal, &circumstances) => return Err(end),
        () = stop_signals.wait() => return Err(End::Stop),
        _ = requests.recv() => return Err(End::Stop), // nothing but the end comes before the start
    };
    let mut session = Session {
        spec,
        process,
        channels,
        writer,
        requests,
        child_signal,
        stop_signals,
        circumstances,
        watch: Watch::new(),
        current: None,
        given_up: None,
        is_terminated: false,
    };
    if hear(&mut session).await?.implementation == "ipython" {
        set_up(&mut session).await?;
    }
    writer.change(|outbox| outbox.other(Notice::Started));
    Ok(session)
}

/// Waits for the end of a kernel that has no sockets yet.
async fn ended(process: &KernelProcess, child_signal: &mut ChildSignal, circumstances: &Circumstances) -> End {
    loop {
        child_signal.wait().await;
        if let Some(status) = process.reap() {
            return End::Reason(with_stderr(reason::describe(status, circumstances), process));
        }
    }
}

fn with_stderr(reason: String, process: &KernelProcess) -> String {
    let stderr = process.stderr();
    if stderr.is_empty() { reason } else { format!("{reason}: {stderr}") }
}

/// Waits until both sockets have brought something, so that no message is lost.
async fn hear(session: &mut Session<'_>) -> Result<KernelInfo, End> {
    let (mut info, mut has_heard) = (None, false);
    let mut ask_at = Instant::now();
    loop {
        if Instant::now() >= ask_at {
            session.channels.ask_for_info().await?;
            ask_at = Instant::now() + ASK_INTERVAL;
        }
        match session.happened(ask_at).await {
            Happened::Received(Received::Shell(message)) if message.kind == "kernel_info_reply" => {
                info = message.content();
            }
            Happened::Received(Received::IoPub(_)) => has_heard = true,
            Happened::Received(Received::Shell(_)) | Happened::Time => {}
            Happened::KernelEnded(status) => {
                let reason = reason::describe(status, &session.circumstances);
                return Err(End::Reason(with_stderr(reason, &session.process)));
            }
            Happened::Request(_) => return Err(End::Stop),
            Happened::Stop(end) => return Err(end),
        }
        if has_heard && let Some(info) = info.take() {
            return Ok(info);
        }
    }
}

/// Executes the start-up code.
async fn set_up(session: &mut Session<'_>) -> Result<(), End> {
    // In a namespace of its own, so that it leaves no names behind. The text is ASCII, so its JSON is a literal of Python too.
    let literal = serde_json::to_string(STARTUP)?;
    session.begin(format!("exec(compile({literal}, 'quire', 'exec'), {{'shell': get_ipython()}})"), None).await?;
    loop {
        match session.turn().await? {
            Some(Outcome::Success) => return Ok(()),
            Some(Outcome::Error(text)) => {
                return Err(End::Reason(format!("the start-up code of Quire failed: {text}")));
            }
            Some(Outcome::Interrupted) | None => {}
        }
    }
}
