//! Events of a notebook, for its watchers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::limits::{self, Invalid};
use quire_domain::{CellId, CellStatus, Change, Notebook, NotebookId, Output};
use uuid::Uuid;

/// An event's number: `<instance epoch>-<n>`, opaque to clients. Numbers of one instance grow, with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seq {
    /// The epoch of the service, new at every start.
    pub epoch: Uuid,
    /// The number within the epoch, which grows with every event.
    pub number: u64,
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.simple(), self.number)
    }
}

/// Error for a text that is not the number of an event.
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
        // Each number has one spelling. Another text for the same number was not written by this code.
        if seq.to_string() == text { Ok(seq) } else { Err(InvalidSeq) }
    }
}

/// An event of a notebook.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub seq: Seq,
    /// The kind, with its content.
    pub kind: EventKind,
    /// The notebook right after the event, as it is shown, for content that is not in the change.
    pub notebook: Notebook,
    /// What this watcher has been told already of the results in a change.
    pub told: Vec<Told>,
}

impl Event {
    /// Makes an event whose content nobody has been told before.
    pub(crate) fn new(seq: Seq, kind: EventKind, notebook: Notebook) -> Arc<Self> {
        Arc::new(Self { seq, kind, notebook, told: Vec::new() })
    }
}

/// What watchers have been told of a run while it went on: the beginning of its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The cell.
    pub cell: CellId,
    /// The number of the event that began the run. A watcher that has missed it or later updates needs the whole results.
    pub(crate) since: u64,
    /// Bytes of the printed text that were told.
    pub stdout: usize,
    /// Number of outputs that were told.
    pub outputs: usize,
}

/// The kinds of events.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A durable change of the notebook.
    Changed(Arc<Change>),
    /// An update of a run. It is neither stored nor a change of the notebook. A watcher that is slow or begins later may miss it;
    /// the complete results come with the change that stores them.
    Transient(Arc<RunUpdate>),
    /// A loss of history in the database: a copy of the last published state is stored as this notebook, and the change to the
    /// earlier state follows.
    Recovered(NotebookId),
    /// The deletion of the notebook, which no event follows.
    Deleted,
    /// The loss of events of this watcher, which must read the notebook again.
    Resync,
}

/// An update of a run of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunUpdate {
    /// The cell.
    pub cell: CellId,
    /// The update.
    pub kind: RunUpdateKind,
}

/// The kinds of updates of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunUpdateKind {
    /// The cell's current status; `running` begins a run and clears the updates of the run before it.
    Status(CellStatus),
    /// Text printed since the last update of this kind.
    Stdout(String),
    /// The reason why the run failed.
    Error(String),
    /// One more output.
    Output(Output),
}

impl RunUpdate {
    /// Checks the update against the limits of a cell.
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

    /// Returns the bytes of the update.
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
