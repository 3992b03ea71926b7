//! The messages of a WebSocket. `docs/websocket.md` describes them.

use bytestring::ByteString;
use quire_domain::CellStatus;
use quire_service::Seq;
use serde::{Deserialize, Serialize};

use super::position::Position;
use crate::wire::{CellOut, OutputOut, Reads, Writes};

/// A message of a client. It may hold a token, so that it has no `Debug`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClientMessage {
    /// Signs in, and resumes after a position if the client was connected before.
    Authenticate {
        token: String,
        #[serde(default)]
        resume: Option<String>,
    },
    /// Renews the sign-in.
    RefreshAuth { token: String },
    /// Runs a cell.
    RunCell {
        /// The cell's id. Of another type, it is no cell's.
        #[serde(default, rename = "cellId")]
        cell_id: serde_json::Value,
    },
    /// A message of an unknown type.
    #[serde(other)]
    Unknown,
}

/// A message of the server.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(super) enum ServerMessage<'a> {
    Authenticated {
        #[serde(rename = "user_id")]
        user_id: &'a str,
    },
    AuthRefreshed,
    Error {
        message: &'a str,
    },
    CellCreated {
        cell_id: &'a str,
        cell: CellOut<'a>,
        index: Option<usize>,
    },
    CellUpdated {
        cell_id: &'a str,
        cell: UpdatedOut<'a>,
    },
    CellDeleted {
        cell_id: &'a str,
    },
    CellStatus {
        cell_id: &'a str,
        status: CellStatus,
    },
    CellStale {
        cell_id: &'a str,
        stale: bool,
    },
    CellStdout {
        cell_id: &'a str,
        data: &'a str,
    },
    CellOutput {
        cell_id: &'a str,
        output: OutputOut<'a>,
    },
    CellError {
        cell_id: &'a str,
        error: &'a str,
    },
    /// A notebook that holds what the database has lost of this one. Has an empty `cellId`, because old clients log messages
    /// without one.
    NotebookRecovered {
        cell_id: &'a str,
        #[serde(rename = "notebook_id")]
        notebook_id: &'a str,
    },
    /// Has an empty `cellId` too.
    Resync {
        cell_id: &'a str,
    },
}

/// The fields of a cell that an edit changes.
#[derive(Serialize)]
pub(super) struct UpdatedOut<'a> {
    pub(super) code: &'a str,
    pub(super) reads: Reads<'a>,
    pub(super) writes: Writes<'a>,
    pub(super) status: CellStatus,
    pub(super) error: Option<&'a str>,
}

pub(crate) fn authenticated(user_id: &str) -> Result<ByteString, serde_json::Error> {
    Ok(text(&ServerMessage::Authenticated { user_id })?.into())
}

pub(crate) fn auth_refreshed() -> Result<ByteString, serde_json::Error> {
    Ok(text(&ServerMessage::AuthRefreshed)?.into())
}

pub(crate) fn error(message: &str) -> Result<ByteString, serde_json::Error> {
    Ok(text(&ServerMessage::Error { message })?.into())
}

/// Writes the message that events up to this one are missing.
pub(crate) fn resync(seq: Seq) -> Result<ByteString, serde_json::Error> {
    Ok(add_position(text(&ServerMessage::Resync { cell_id: "" })?, seq, None))
}

pub(super) fn text(out: &ServerMessage<'_>) -> Result<String, serde_json::Error> {
    serde_json::to_string(out)
}

/// Adds the position to the text of a message.
pub(super) fn add_position(mut text: String, seq: Seq, seen: Option<usize>) -> ByteString {
    text.pop();
    text.push_str(r#","seq":""#);
    text.push_str(&Position { seq, seen }.to_string());
    text.push_str(r#""}"#);
    text.into()
}
