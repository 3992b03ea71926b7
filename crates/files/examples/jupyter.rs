//! Reads Jupyter notebooks and writes them again, for checks by other programs (`scripts/test-jupyter`).
//!
//!     cargo run -p quire-files --example jupyter -- TO < LIST
//!
//! Each line of LIST is a file's path. The line that it prints for each says what became of it, as JSON: `written` is the number of its
//! file in the directory TO, `refused` why there is none.
#![expect(clippy::disallowed_methods, reason = "an example reads and writes files; the library does not")]

use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_files::jupyter::{self, Identity};
use quire_files::quire::Defaults;
use quire_files::{Format, ParseErrorKind};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let to = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: jupyter TO < LIST")?);
    let defaults =
        Defaults { id: Some(NotebookId::new("given")?), owner: UserId::new("system")?, time: Timestamp::default() };
    for (number, path) in io::stdin().lock().lines().enumerate() {
        let path = path?;
        let read = quire_files::import(&std::fs::read(&path)?, Some(Format::Ipynb), &defaults);
        let line = match read {
            Ok(imported) => {
                let text = jupyter::write(&imported.notebook, Identity::Noted);
                std::fs::write(to.join(format!("{number}.ipynb")), text)?;
                json!({"written": number, "notices": imported.notices})
            }
            Err(damage) => json!({"refused": damage.reason, "limit": damage.kind == ParseErrorKind::Limit}),
        };
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}
