//! The report: a line of JSON for each notebook, in a file that can be read whatever becomes of the program.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use quire_transfer::Line;

use crate::outcome::{Exit, Failure};

/// A file that lines are appended to.
pub(crate) struct Report {
    file: File,
    path: PathBuf,
}

impl Report {
    /// Opens a report, making it when it is missing. What an earlier run wrote stays.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let open = || {
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
            if file.metadata()?.is_file() && !ends_with_line(&mut file)? {
                file.write_all(b"\n")?; // a run that was killed in the middle of a line
            }
            Ok::<_, io::Error>(file)
        };
        let file = open().map_err(|error| {
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

fn ends_with_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
