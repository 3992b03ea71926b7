//! Outcome of each notebook, for people and programs.

use std::collections::BTreeMap;
use std::io;

use quire_domain::NotebookId;
use serde::Serialize;

use crate::source::{Fault, FaultKind};

/// Outcome of one file or notebook: a line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file; absent if a notebook is copied from one store to another.
    pub file: Option<String>,
    /// The notebook, if it is known.
    pub id: Option<NotebookId>,
    /// Outcome for the file or notebook.
    #[serde(rename = "result")]
    pub outcome: Outcome,
    /// Reason, or a notice for a person. It contains no content and no secret.
    pub reason: Option<String>,
    /// Byte of the file at which something is wrong.
    pub offset: Option<u64>,
}

/// Outcome for a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Import: the notebook was missing and was created.
    Imported,
    /// Import: other content was there and was replaced.
    Updated,
    /// Import, export: the same content was there already.
    Unchanged,
    /// Import: left unchanged on purpose.
    Skipped,
    /// Not a notebook, or beyond a limit.
    Invalid,
    /// Failed.
    Failed,
    /// Verification: the same in every field.
    Same,
    /// Verification: edited since it was imported.
    Newer,
    /// Verification: different.
    Different,
    /// Verification: missing.
    Missing,
    /// Export: written.
    Exported,
    /// Export: removed from the copy, because it is no longer in the store.
    Removed,
}

impl Outcome {
    /// Returns the outcome as the report writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
            Self::Same => "same",
            Self::Newer => "newer",
            Self::Different => "different",
            Self::Missing => "missing",
            Self::Exported => "exported",
            Self::Removed => "removed",
        }
    }

    /// Returns `true` if a person has to act on it.
    #[must_use]
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Invalid | Self::Failed | Self::Different | Self::Missing)
    }
}

impl Line {
    /// Returns the line of a candidate that gave no notebook.
    pub(crate) fn of_fault(file: &str, fault: Fault) -> Self {
        let outcome = match fault.kind {
            FaultKind::Invalid => Outcome::Invalid,
            FaultKind::Failed => Outcome::Failed,
            FaultKind::NotMeant => Outcome::Skipped,
        };
        Self { file: Some(file.to_owned()), id: fault.id, outcome, reason: Some(fault.reason), offset: fault.offset }
    }
}

/// Number of lines by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary(BTreeMap<Outcome, u64>);

impl Summary {
    /// Returns the number of lines with this outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or_default()
    }

    /// Returns `true` if there was a line with any of these outcomes.
    #[must_use]
    pub fn has_any(&self, outcomes: &[Outcome]) -> bool {
        outcomes.iter().any(|outcome| self.count(*outcome) > 0)
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        *self.0.entry(outcome).or_default() += 1;
    }
}

/// Observer of the progress of a transfer.
pub trait ProgressObserver: Send {
    /// Reports the approximate number of lines to come.
    fn begin(&mut self, total: usize);

    /// Reports one line. Its work is done already, so a failure to keep the line does not undo it but ends the
    /// transfer.
    ///
    /// # Errors
    /// If the line cannot be kept.
    fn line(&mut self, line: &Line) -> io::Result<()>;
}
