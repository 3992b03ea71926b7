//! One line of the log of answers: half of the line's SHA-256, a blank, and a JSON object.

use std::sync::Arc;

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord, RequestDigest};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A line of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// An answer that is kept.
    Kept(AnswerV1),
    /// Answers that are kept if the change happens that follows.
    Before { change: u64, notebook: NotebookId, then: FileState, answers: Vec<AnswerV1> },
    /// The change of that number has happened.
    Happened(u64),
    /// The change of that number has not happened, and will not.
    Failed(u64),
    /// Records that were made until then no longer count.
    Expired(Timestamp),
}

/// State of a notebook's file after a change, by which it shows that the change has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileState {
    /// It has this content.
    Content(Digest),
    /// It is gone.
    Gone,
}

/// A kept answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnswerV1 {
    user: UserId,
    key: Digest,
    request: Digest,
    outcome: Arc<str>,
    at: Timestamp,
}

impl From<&IdempotencyRecord> for AnswerV1 {
    fn from(answer: &IdempotencyRecord) -> Self {
        Self {
            user: answer.user.clone(),
            key: Digest(answer.key.0),
            request: Digest(answer.request.0),
            outcome: Arc::clone(&answer.outcome),
            at: answer.at,
        }
    }
}

impl From<AnswerV1> for IdempotencyRecord {
    fn from(line: AnswerV1) -> Self {
        Self {
            user: line.user,
            key: IdempotencyKey(line.key.0),
            request: RequestDigest(line.request.0),
            outcome: line.outcome,
            at: line.at,
        }
    }
}

/// Answers that are kept, as lines.
pub(super) fn lines_of<'a>(answers: impl IntoIterator<Item = &'a IdempotencyRecord>) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for answer in answers {
        lines.extend(Line::Kept(AnswerV1::from(answer)).to_bytes()?);
    }
    Ok(lines)
}

impl Line {
    /// The line as it is in the file.
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
