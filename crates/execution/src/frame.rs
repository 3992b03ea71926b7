//! Messages between the server and a guardian: length-prefixed JSON over the guardian's standard input and output.

use std::io;
use std::path::PathBuf;

use quire_domain::{Json, Output};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::kernel::{KernelEvent, Outcome};
use crate::options::Limits;

/// Maximum bytes of a frame's JSON: that of all outputs of a cell in one, with some room for the rest.
const MAX_FRAME_BYTES: usize = 9_000_000;

/// A request of the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first one: starts the kernel.
    Start(Box<StartSpec>),
    /// Executes code.
    Execute { code: String, position: Option<usize> },
    /// Interrupts what is executed.
    Interrupt,
}

/// All that a guardian needs to start its kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StartSpec {
    /// The kernel's program and arguments; `{connection_file}` stands for the path of the connection file.
    pub(crate) command: Vec<String>,
    /// The kernel's whole environment, but for what names its own directory.
    pub(crate) environment: Vec<(String, String)>,
    /// The kernel's own directory, which does not exist yet.
    pub(crate) directory: PathBuf,
    /// The directory that code runs in; `None` for a fresh one in the kernel's own.
    pub(crate) working_directory: Option<PathBuf>,
    /// The directory of Matplotlib's lists of fonts.
    pub(crate) font_lists: Option<PathBuf>,
    /// The kernel is interrupted by a message in place of a signal.
    pub(crate) interrupt_by_message: bool,
    /// User and group that the kernel runs as, if not the server's.
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) limits: Limits,
}

/// A message of a guardian.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// The kernel takes code.
    Started,
    Stdout(String),
    Output(OutputFrame),
    Updated(usize, OutputFrame),
    Cleared,
    /// The outcome, with `true` if the kernel ends with it.
    Finished(OutcomeFrame, bool),
    /// The last one: the reason in words.
    Ended(String),
    /// The resident memory of all processes in bytes.
    Usage {
        memory_bytes: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutputFrame {
    mime_type: String,
    data: Json,
    metadata: Json,
}

impl From<Output> for OutputFrame {
    fn from(Output { mime_type, data, metadata }: Output) -> Self {
        Self { mime_type, data, metadata }
    }
}

impl From<OutputFrame> for Output {
    fn from(OutputFrame { mime_type, data, metadata }: OutputFrame) -> Self {
        Self { mime_type, data, metadata }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum OutcomeFrame {
    Success,
    Error(String),
    Interrupted,
}

impl From<Outcome> for OutcomeFrame {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Error(text) => Self::Error(text),
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl From<OutcomeFrame> for Outcome {
    fn from(outcome: OutcomeFrame) -> Self {
        match outcome {
            OutcomeFrame::Success => Self::Success,
            OutcomeFrame::Error(text) => Self::Error(text),
            OutcomeFrame::Interrupted => Self::Interrupted,
        }
    }
}

impl Notice {
    /// Returns the event of a running kernel that this is; `None` for the others.
    pub(crate) fn into_event(self) -> Option<KernelEvent> {
        Some(match self {
            Self::Stdout(text) => KernelEvent::Stdout(text),
            Self::Output(output) => KernelEvent::Output(output.into()),
            Self::Updated(index, output) => KernelEvent::Updated(index, output.into()),
            Self::Cleared => KernelEvent::Cleared,
            Self::Finished(outcome, is_last) => KernelEvent::Finished { outcome: outcome.into(), is_last },
            Self::Ended(reason) => KernelEvent::Ended(reason),
            Self::Started | Self::Usage { .. } => return None,
        })
    }
}

/// Encodes a message as a frame.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!("a frame of {length} bytes is more than {MAX_FRAME_BYTES}")));
    }
    let prefix = u32::try_from(length).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&prefix.to_le_bytes());
    Ok(frame)
}

/// Reads one frame; `None` at the end of the stream. Not cancel safe.
pub(crate) async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut prefix = [0; 4];
    match stream.read_exact(&mut prefix).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    // Lossless: `usize` has 32 bits at least.
    let length = u32::from_le_bytes(prefix) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!("a frame of {length} bytes is more than {MAX_FRAME_BYTES}")));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(Some(serde_json::from_slice(&frame)?))
}
