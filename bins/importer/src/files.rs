//! A directory of JSON files as a source of notebooks.

use quire_storage_json::{FileEntry, NotebookDirectory, ReadNotebook, Unread, Unreadable};
use quire_transfer::{Candidate, Fault, FaultKind, Found, Source};

use crate::cli::FilesArgs;
use crate::outcome::Failure;

/// Notebook files in a directory, and optionally in the directories below it.
#[derive(Debug)]
pub(crate) struct Files {
    directory: NotebookDirectory,
    recursive: bool,
}

impl Files {
    /// Opens the files that the command line names.
    pub(crate) fn open(arguments: &FilesArgs) -> Result<Self, Failure> {
        let directory = NotebookDirectory::open(&arguments.notebooks_dir, arguments.owner.clone());
        Ok(Self { directory: directory.map_err(Failure::of)?, recursive: arguments.recursive })
    }
}

impl Source for Files {
    fn candidates(&self) -> Result<Vec<Candidate>, String> {
        let entries = self.directory.entries(self.recursive).map_err(|error| Failure::of(error).to_string())?;
        let candidate = |FileEntry { file, id, refusal }| Candidate { file, id, fault: refusal.map(fault) };
        Ok(entries.into_iter().map(candidate).collect())
    }

    fn read(&self, candidate: &Candidate) -> Result<Found, Fault> {
        let ReadNotebook { notebook, results_incomplete } = self.directory.read(&candidate.file).map_err(fault)?;
        let notice = "some results beside it were cut short or damaged, and are left out";
        Ok(Found { notebook, notice: results_incomplete.then(|| notice.to_owned()) })
    }

    fn is_whole(&self) -> bool {
        true
    }
}

pub(crate) fn fault(unread: Unread) -> Fault {
    let kind = match unread.kind {
        Unreadable::Content => FaultKind::Invalid,
        Unreadable::File => FaultKind::Failed,
        Unreadable::Directory => FaultKind::NotMeant,
    };
    Fault { kind, id: unread.id, reason: unread.reason, offset: unread.offset.map(|offset| offset as u64) }
}
