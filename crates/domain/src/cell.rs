//! A cell and the results of its last run.

use std::sync::Arc;

use quire_analysis::{Analysis, CellType, Diagnostic, Read};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits::{self, Invalid};
use crate::{CellId, Extra, Json, OrderKey, Revision, RunDigest, Timestamp};

/// Outcome of a cell's last run. A stored `running` is what a run that is still going on, or that a stopped server has left, stored
/// on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellStatus {
    /// The cell has not run.
    #[default]
    Idle,
    /// The cell is running.
    Running,
    /// The last run succeeded.
    Success,
    /// The last run failed, or the cell is on a cycle.
    Error,
    /// The cell was not run, because a cell that it depends on failed.
    Blocked,
}

impl CellStatus {
    /// Returns the status as it is written in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Success => "success",
            Self::Error => "error",
            Self::Blocked => "blocked",
        }
    }
}

/// One output of a run: a value in one representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The MIME type, for example `text/plain`; at most [`limits::MIME_TYPE_CHARS`] characters.
    pub mime_type: String,
    /// The value in that representation, exact.
    pub data: Json,
    /// The metadata, a JSON object.
    pub metadata: Json,
}

/// Results of a run. The default is a cell that has not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// The run's outcome.
    pub status: CellStatus,
    /// The printed text, at most [`limits::STDOUT_BYTES`].
    pub stdout: String,
    /// The error, if there was one; the reason of the status `blocked`.
    pub error: Option<String>,
    /// The outputs, at most [`limits::OUTPUTS_BYTES`] together.
    pub outputs: Vec<Output>,
    /// The [`Cell::code_digest`] of the code that ran.
    pub code_digest: Option<String>,
    /// The [`Cell::run_digest`] at the start of the run.
    pub run_digest: Option<RunDigest>,
    /// The time at which the run began.
    pub started_at: Option<Timestamp>,
    /// The time at which the run ended.
    pub finished_at: Option<Timestamp>,
}

impl Results {
    /// Returns the bytes of the texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let outputs = self.outputs.iter().map(|output| output.data.as_str().len() + output.metadata.as_str().len());
        self.stdout.len() + self.error.as_ref().map_or(0, String::len) + outputs.sum::<usize>()
    }

    /// Checks the results against the contract's limits.
    ///
    /// # Errors
    /// [`Invalid`] naming the limit.
    pub fn check(&self) -> Result<(), Invalid> {
        limits::at_most("the cell's standard output", "bytes", limits::STDOUT_BYTES, self.stdout.len())?;
        let bytes = self.outputs.iter().map(|o| o.data.as_str().len() + o.metadata.as_str().len()).sum();
        limits::at_most("the cell's outputs", "bytes", limits::OUTPUTS_BYTES, bytes)?;
        for output in &self.outputs {
            limits::short_text("the output's MIME type", limits::MIME_TYPE_CHARS, &output.mime_type)?;
        }
        Ok(())
    }
}

/// One cell of a notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The id, unique in its notebook.
    pub id: CellId,
    /// Its place among the cells.
    pub order: OrderKey,
    /// Its language.
    pub cell_type: CellType,
    /// Its source, at most [`limits::CELL_SOURCE_BYTES`] bytes; may be empty.
    pub code: Arc<str>,
    /// The notebook's revision at the last edit of this cell's code, type or place.
    pub revision: Revision,
    /// Names that the code reads and writes; when [`Self::broken`] is set, those of the last code that parsed.
    pub analysis: Arc<Analysis>,
    /// The syntax error, if the code does not parse.
    pub broken: Option<Arc<Diagnostic>>,
    /// Results of the last run.
    pub results: Arc<Results>,
    /// Unknown fields.
    pub extra: Extra,
    /// Digest of all that a run of the cell computes from. Derived by [`crate::OpenNotebook`] from the notebook around the cell and
    /// never stored: zeros before the notebook is opened.
    pub run_digest: RunDigest,
}

impl Cell {
    /// Returns `true` if a run could give other results than those that the cell has: it has never run, or anything that a run
    /// computes from has changed since. Blank code is never stale. Holds for cells of an open notebook.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.results.run_digest != Some(self.run_digest) && !self.code.trim().is_empty()
    }

    /// Returns the digest that ties results to the code that made them: SHA-256 over type, NUL and code, as 64 hex digits.
    #[must_use]
    pub fn code_digest(&self) -> String {
        Self::digest_of(self.cell_type, &self.code)
    }

    /// Returns the [`Self::code_digest`] of a cell of this type with this code.
    #[must_use]
    pub fn digest_of(cell_type: CellType, code: &str) -> String {
        let digest = Sha256::new().chain_update(cell_type.as_str()).chain_update([0]).chain_update(code);
        hex::encode(digest.finalize())
    }

    /// Returns the cell with other code or another type, analysed.
    ///
    /// Code that does not parse keeps the analysis of the last code that did, so that a half-typed line does not make
    /// every edge of the cell vanish and come back; not across a change of type, where the old names mean nothing.
    #[must_use]
    pub(crate) fn with_code(&self, cell_type: CellType, code: Arc<str>, analysis: Arc<Analysis>) -> Self {
        let broken = analysis.error().cloned().map(Arc::new);
        let analysis = match &broken {
            None => analysis,
            Some(_) if cell_type == self.cell_type => Arc::clone(&self.analysis),
            Some(_) => Arc::default(),
        };
        Self { cell_type, code, analysis, broken, ..self.clone() }
    }

    /// Returns the problems of the code: the syntax error, or else those of the analysis.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match &self.broken {
            Some(broken) => std::slice::from_ref(&**broken),
            None => &self.analysis.diagnostics,
        }
    }

    /// Returns the names of [`Analysis::reads`].
    #[must_use]
    pub fn reads(&self) -> impl ExactSizeIterator<Item = &str> {
        self.analysis.reads.iter().map(|read| read.name.as_str())
    }

    /// Returns the names of [`Analysis::writes`].
    #[must_use]
    pub fn writes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.analysis.writes.iter().map(String::as_str)
    }

    /// Makes an analysis of stored names. Opening a notebook replaces it for all code that parses.
    #[must_use]
    pub fn stored_names(mut reads: Vec<String>, mut writes: Vec<String>) -> Arc<Analysis> {
        for names in [&mut reads, &mut writes] {
            names.sort_unstable();
            names.dedup();
        }
        let reads = reads.into_iter().map(|name| Read { name, deferred: false }).collect();
        Arc::new(Analysis { reads, writes, ..Analysis::default() })
    }
}
