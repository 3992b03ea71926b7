//! The target directory of an export: an empty one, or that of an interrupted export.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::SecondsFormat;
use quire_domain::UserId;
use quire_storage_json::{JsonNotebookStore, Options};
use quire_transfer::{Exported, StoreTarget, Target};
use serde_json::{Value, json};

use crate::cli::FormatArg;
use crate::ipynb_folder::IpynbFolder;
use crate::outcome::{Exit, Failure};

/// File that marks the directory of an export. A directory without it may be in use, and its notebooks must not be
/// replaced.
const MARK: &str = ".quire/export.json";

/// The target directory of an export.
pub(crate) struct Destination {
    dir: PathBuf,
    format: FormatArg,
    /// The user whose notebooks are exported; `None` for all users.
    user: Option<UserId>,
}

impl Destination {
    /// Opens a directory, and creates it if it is missing.
    pub(crate) fn open(
        dir: &Path,
        format: FormatArg,
        user: Option<UserId>,
    ) -> Result<(Self, Arc<dyn Target>), Failure> {
        let this = Self { dir: dir.to_owned(), format, user };
        let failed = |action: &str, error: io::Error| {
            Failure::new(Exit::Failed, format!("cannot {action} the directory {}: {error}", dir.display()))
        };
        if !this.is_ours().map_err(|error| failed("read", error))? {
            let message = format!(
                "the directory {} holds files that are not of an unfinished export of the same --format and --user, and would be \
                 replaced: name an empty directory",
                dir.display()
            );
            return Err(Failure::usage(message));
        }
        let target: Arc<dyn Target> = match format {
            FormatArg::Json => {
                // Nothing looks for new files during an export.
                let options = Options { scan_every: None, ..Options::default() };
                Arc::new(StoreTarget(Arc::new(JsonNotebookStore::open(dir, options).map_err(Failure::of)?)))
            }
            FormatArg::Ipynb => Arc::new(IpynbFolder::open(dir).map_err(|error| failed("write in", error))?),
        };
        this.mark(json!({"complete": false})).map_err(|error| failed("write in", error))?;
        Ok((this, target))
    }

    /// Marks the export as complete, so that no other one is written over it.
    pub(crate) fn finish(&self, exported: &Exported) -> Result<(), Failure> {
        let mark = json!({
            "complete": true,
            "began": exported.began.to_rfc3339_opts(SecondsFormat::Micros, true),
            "reflects": exported.reflects.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        });
        self.mark(mark).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot note in {} that the export is whole: {error}", self.dir.display()),
            )
        })
    }

    fn is_ours(&self) -> io::Result<bool> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        match fs::read(self.dir.join(MARK)) {
            Ok(mark) => Ok(serde_json::from_slice::<Value>(&mark).is_ok_and(|mark| {
                let format = mark["format"].as_str().unwrap_or(FormatArg::default().as_str());
                mark["complete"] == false && format == self.format.as_str() && mark["user"] == self.user()
            })),
            // Only hidden files, as after an export that was interrupted before its first step was done.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut hidden = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().starts_with('.')));
                hidden.try_fold(true, |all, hidden: io::Result<bool>| Ok(all && hidden?))
            }
            Err(error) => Err(error),
        }
    }

    fn user(&self) -> Value {
        self.user.as_ref().map_or(Value::Null, |user| user.as_str().into())
    }

    /// Writes the mark atomically and durably.
    fn mark(&self, mut mark: Value) -> io::Result<()> {
        (mark["format"], mark["user"]) = (self.format.as_str().into(), self.user());
        let (new, path) = (self.dir.join(format!("{MARK}.new")), self.dir.join(MARK));
        let mut file = fs::File::create(&new)?;
        file.write_all(format!("{mark}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(new, &path)?;
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    }
}
