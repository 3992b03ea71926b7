//! The report: a line of JSON for each notebook, in a file that can be read whatever becomes of the program.

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
    /// Begins a report in the place of what an earlier run wrote: whoever looks again looks for what is wrong now.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write the report {}: {error}", path.display()))
        })?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends a line in one call to the system, so that it is there whole when the program is killed right after it.
    pub(crate) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display()));
        self.file.write_all(&text).map_err(named)
    }
}
