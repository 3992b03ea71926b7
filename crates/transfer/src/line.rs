//! What became of each notebook, for people and programs.

use std::collections::BTreeMap;
use std::io;

use quire_domain::NotebookId;
use serde::Serialize;

use crate::source::{Fault, FaultKind};

/// What became of one file or notebook: a line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file; absent where a notebook is copied from one store to another.
    pub file: Option<String>,
    /// The notebook, when it is known.
    pub id: Option<NotebookId>,
    /// What became of it.
    #[serde(rename = "result")]
    pub outcome: Outcome,
    /// Why, or what else a person should know: no content, no secret.
    pub reason: Option<String>,
    /// At which byte of the file something is wrong.
    pub offset: Option<u64>,
}

/// What became of a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Import: it was not there, and is now.
    Imported,
    /// Import: another content was there; this one is now.
    Updated,
    /// Import, export: the same content was there already.
    Unchanged,
    /// Import: left alone on purpose.
    Skipped,
    /// It is no notebook, or beyond a limit.
    Invalid,
    /// It could not be done.
    Failed,
    /// Verification: the same in every field.
    Same,
    /// Verification: edited since it was imported.
    Newer,
    /// Verification: not the same.
    Different,
    /// Verification: not there at all.
    Missing,
    /// Export: written.
    Exported,
    /// Export: removed from the copy, since it is no longer in the store.
    Removed,
}

impl Outcome {
    /// As the report writes it.
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

    /// Whether a person has to do something about it.
    #[must_use]
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Invalid | Self::Failed | Self::Different | Self::Missing)
    }
}

impl Line {
    /// A candidate that gave no notebook.
    pub(crate) fn of_fault(file: &str, fault: Fault) -> Self {
        let outcome = match fault.kind {
            FaultKind::Invalid => Outcome::Invalid,
            FaultKind::Failed => Outcome::Failed,
            FaultKind::NotMeant => Outcome::Skipped,
        };
        Self { file: Some(file.to_owned()), id: fault.id, outcome, reason: Some(fault.reason), offset: fault.offset }
    }
}

/// How many of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary(BTreeMap<Outcome, u64>);

impl Summary {
    /// How many lines said so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or_default()
    }

    /// Whether any of these came up.
    #[must_use]
    pub fn has_any(&self, outcomes: &[Outcome]) -> bool {
        outcomes.iter().any(|outcome| self.count(*outcome) > 0)
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        *self.0.entry(outcome).or_default() += 1;
    }
}

/// Is told how far something is.
pub trait ProgressObserver: Send {
    /// There are so many to come; perhaps some more or fewer.
    fn begin(&mut self, total: usize);

    /// Another one is done. It has happened, so a failure to tell of it cannot take it back: it ends the rest.
    ///
    /// # Errors
    /// When the line could not be kept.
    fn line(&mut self, line: &Line) -> io::Result<()>;
}
