//! What happens to a notebook, as its watchers are told.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::limits::{self, Invalid};
use quire_domain::{CellId, CellStatus, Change, Notebook, NotebookId, Output};
use uuid::Uuid;

/// An event's number: `<instance epoch>-<n>`, opaque to clients. Numbers of one instance grow, with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seq {
    /// New at every start of a service.
    pub epoch: Uuid,
    /// Grows by at least one from event to event.
    pub number: u64,
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.simple(), self.number)
    }
}

/// A text that is no event's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the number of an event")]
pub struct InvalidSeq;

impl FromStr for Seq {
    type Err = InvalidSeq;

    fn from_str(text: &str) -> Result<Self, InvalidSeq> {
        let (epoch, number) = text.split_once('-').ok_or(InvalidSeq)?;
        let seq = Self {
            epoch: Uuid::try_parse(epoch).map_err(|_unlike| InvalidSeq)?,
            number: number.parse().map_err(|_unlike| InvalidSeq)?,
        };
        // One spelling each: what other text means the same was not made here.
        if seq.to_string() == text { Ok(seq) } else { Err(InvalidSeq) }
    }
}

/// Something that happened to a notebook.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub seq: Seq,
    /// The kind, with its content.
    pub kind: EventKind,
    /// The notebook right after it; what is not in the change can be looked up here.
    pub notebook: Notebook,
}

/// The kinds of events.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// It changed; the change is durable.
    Changed(Arc<Change>),
    /// A run told something. It is not stored, and no change of the notebook: a watcher that is far behind, or comes later,
    /// may not hear of it, and what the run leaves comes whole with the change that stores it.
    Transient(Arc<RunUpdate>),
    /// The database has lost history: the state that watchers have seen last is kept as this notebook, and the change to the
    /// earlier state follows.
    Recovered(NotebookId),
    /// It was deleted; nothing follows.
    Deleted,
    /// Events were lost on the way to this watcher: it must read the notebook again.
    Resync,
}

/// Something that a run of a cell tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunUpdate {
    /// The cell.
    pub cell: CellId,
    /// The update.
    pub kind: RunUpdateKind,
}

/// The kinds of updates that a run tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunUpdateKind {
    /// The cell's status now; `running` begins a run, which clears what the one before has told.
    Status(CellStatus),
    /// Text that was printed since the last such update.
    Stdout(String),
    /// The reason why the run failed.
    Error(String),
    /// One more output.
    Output(Output),
}

impl RunUpdate {
    /// Checks the update against the limits of what a cell can keep.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let at_most = |what, limit, actual| limits::at_most(what, "bytes", limit, actual);
        match &self.kind {
            RunUpdateKind::Status(_) => Ok(()),
            RunUpdateKind::Stdout(text) => at_most("the cell's standard output", limits::STDOUT_BYTES, text.len()),
            RunUpdateKind::Error(text) => at_most("the cell's error", limits::STDOUT_BYTES, text.len()),
            RunUpdateKind::Output(output) => {
                limits::short_text("the output's MIME type", limits::MIME_TYPE_CHARS, &output.mime_type)?;
                at_most("the cell's outputs", limits::OUTPUTS_BYTES, self.bytes())
            }
        }
    }

    /// The bytes of what is told.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.kind {
            RunUpdateKind::Status(_) => 0,
            RunUpdateKind::Stdout(text) | RunUpdateKind::Error(text) => text.len(),
            RunUpdateKind::Output(output) => {
                output.mime_type.len() + output.data.as_str().len() + output.metadata.as_str().len()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        let seq = Seq { epoch: Uuid::from_u128(7), number: 42 };
        assert_eq!(seq.to_string().parse(), Ok(seq));
        let epoch = seq.epoch.simple();
        let upper = Uuid::from_u128(0xab).simple().to_string().to_uppercase();
        let hyphens = seq.epoch.hyphenated();
        for bad in [
            String::new(),
            "-1".to_owned(),
            format!("{epoch}-"),
            format!("{epoch}-+1"),
            format!("{epoch}-01"),
            format!("{epoch}-1 "),
            format!("{epoch}-18446744073709551616"),
            format!("{hyphens}-1"),
            format!("{upper}-1"),
        ] {
            assert_eq!(bad.parse::<Seq>(), Err(InvalidSeq), "{bad}");
        }
    }
}
