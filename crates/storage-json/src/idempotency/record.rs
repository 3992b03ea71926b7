//! The lines of the log: each has half of its SHA-256, a blank, and a JSON object.

use std::sync::Arc;

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord, RequestDigest};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A line of the log. The names in the file are those of its first version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A record.
    #[serde(rename = "kept")]
    Record(RecordV1),
    /// A change that is about to be made, with its records and the state in which it leaves the notebook's file.
    #[serde(rename = "before")]
    Prepared {
        change: u64,
        notebook: NotebookId,
        #[serde(rename = "then")]
        after: FileState,
        #[serde(rename = "answers")]
        records: Vec<RecordV1>,
    },
    /// The change of this number was made.
    #[serde(rename = "happened")]
    Committed(u64),
    /// The change of this number was not made, and will not be.
    #[serde(rename = "failed")]
    Aborted(u64),
    /// Records of up to this time have expired.
    Expired(Timestamp),
}

/// State of a notebook's file after a change, by which recovery decides whether the change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileState {
    /// The file has this content.
    Content(Digest),
    /// The file is gone.
    Gone,
}

/// A record in the log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordV1 {
    user: UserId,
    key: Digest,
    request: Digest,
    outcome: Arc<str>,
    at: Timestamp,
}

impl From<&IdempotencyRecord> for RecordV1 {
    fn from(record: &IdempotencyRecord) -> Self {
        Self {
            user: record.user.clone(),
            key: Digest(record.key.0),
            request: Digest(record.request.0),
            outcome: Arc::clone(&record.outcome),
            at: record.at,
        }
    }
}

impl From<RecordV1> for IdempotencyRecord {
    fn from(line: RecordV1) -> Self {
        Self {
            user: line.user,
            key: IdempotencyKey(line.key.0),
            request: RequestDigest(line.request.0),
            outcome: line.outcome,
            at: line.at,
        }
    }
}

/// Makes the lines of records.
pub(super) fn lines_of<'a>(records: impl IntoIterator<Item = &'a IdempotencyRecord>) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        lines.extend(Line::Record(RecordV1::from(record)).to_bytes()?);
    }
    Ok(lines)
}

impl Line {
    /// Returns the line as it is in the file.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let body = serde_json::to_vec(self)?;
        let mut bytes = format!("{} ", Digest::of(&body).short()).into_bytes();
        bytes.extend(body);
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a line, without its end; `None` when it is cut short or damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let blank = bytes.iter().position(|&byte| byte == b' ')?;
        let (digest, body) = (bytes.get(..blank)?, bytes.get(blank + 1..)?);
        if Digest::of(body).short().as_bytes() != digest {
            return None;
        }
        serde_json::from_slice(body).ok()
    }
}
