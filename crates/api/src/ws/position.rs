//! The position of a client in the events of a notebook: after an event, or within the messages of an event.

use std::fmt;
use std::str::FromStr;

use quire_service::{InvalidSeq, Seq};

/// The last message that a client has seen. As text: the event's number, and, when further messages of the event follow,
/// a full stop and how many have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) seq: Seq,
    /// Number of the event's messages that the client has seen; `None` for all.
    pub(crate) seen: Option<usize>,
}

impl Position {
    /// Returns the last event that the client has seen completely.
    pub(crate) fn last_whole(self) -> Seq {
        match self.seen {
            None => self.seq,
            Some(_) => Seq { number: self.seq.number.saturating_sub(1), ..self.seq },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seen {
            None => self.seq.fmt(f),
            Some(seen) => write!(f, "{}.{seen}", self.seq),
        }
    }
}

impl FromStr for Position {
    type Err = InvalidSeq;

    fn from_str(text: &str) -> Result<Self, InvalidSeq> {
        let Some((seq, seen)) = text.split_once('.') else {
            return Ok(Self { seq: text.parse()?, seen: None });
        };
        Ok(Self { seq: seq.parse()?, seen: Some(seen.parse().map_err(|_unlike| InvalidSeq)?) })
    }
}
