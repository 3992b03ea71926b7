//! The report: a line of JSON for each notebook, in a file that is readable even if the program is killed.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use quire_transfer::Line;

use crate::outcome::{Exit, Failure};

/// A file with the lines of one run.
pub(crate) struct Report {
    file: File,
    path: PathBuf,
}

impl Report {
    /// Begins a report and replaces that of an earlier run, so that it contains only present errors.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write the report {}: {error}", path.display()))
        })?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends a line by one system call, so that it is complete if the program is killed right after it.
    pub(crate) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display()));
        self.file.write_all(&text).map_err(named)
    }
}
