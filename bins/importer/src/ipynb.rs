//! A directory of Jupyter notebooks as a source of notebooks.

use std::sync::Arc;

use quire_domain::{Notebook, NotebookId, UserId};
use quire_files::quire::Defaults;
use quire_files::{Imported, ParseError, jupyter};
use quire_storage_json::{FileBytes, FileEntry, NotebookDirectory, file_stems};
use quire_transfer::{Candidate, Fault, FaultKind, Found, Source};
use sha2::{Digest as _, Sha256};

use crate::cli::FilesArgs;
use crate::files::fault;
use crate::outcome::Failure;

/// Usual ending of the names of Jupyter notebooks; some programs write it in capitals.
pub(crate) const ENDING: &str = ".ipynb";

/// Jupyter notebooks in a directory, and optionally in the directories below it. They name no owner, and only files
/// that an export wrote contain an id. Other ids are derived from the files' paths below the directory, so that a
/// repeated import finds the same notebooks.
#[derive(Debug)]
pub(crate) struct IpynbFiles {
    directory: NotebookDirectory,
    recursive: bool,
    owner: UserId,
}

impl IpynbFiles {
    /// Opens the files that the command line names.
    pub(crate) fn open(arguments: &FilesArgs) -> Result<Self, Failure> {
        let directory = NotebookDirectory::open(&arguments.notebooks_dir, None).map_err(Failure::of)?;
        let owner = arguments.owner.clone().map_or_else(|| UserId::new("system"), Ok).map_err(Failure::of)?;
        Ok(Self { directory, recursive: arguments.recursive, owner })
    }
}

impl Source for IpynbFiles {
    fn candidates(&self) -> Result<Vec<Candidate>, String> {
        let entries = self.directory.entries_ending(self.recursive, ENDING);
        let entries = entries.map_err(|error| Failure::of(error).to_string())?;
        let candidate = |FileEntry { file, refusal, .. }| {
            let id = id_of(path_of(&file)).ok();
            Candidate { file, id, fault: refusal.map(fault) }
        };
        Ok(entries.into_iter().map(candidate).collect())
    }

    fn read(&self, candidate: &Candidate) -> Result<Found, Fault> {
        let FileBytes { bytes, modified_at } = self.directory.read_bytes(&candidate.file).map_err(fault)?;
        let path = path_of(&candidate.file);
        let stem = path.rsplit_once('/').map_or(path, |(_, stem)| stem);
        let invalid = |reason, offset| Fault { kind: FaultKind::Invalid, id: candidate.id.clone(), reason, offset };
        let noted = jupyter::noted_id(&bytes);
        // A file copied to another name is another notebook.
        let is_exported = noted.as_ref().is_some_and(|id| file_stems(id).any(|name| name == stem));
        let id = match noted.filter(|_| is_exported) {
            Some(id) => id,
            None => id_of(path).map_err(|error| invalid(error.to_string(), None))?,
        };
        let defaults = Defaults { id: Some(id), owner: self.owner.clone(), time: modified_at };
        let read = jupyter::read(&bytes, &defaults);
        let Imported { mut notebook, notices } =
            read.map_err(|ParseError { reason, offset, .. }| invalid(reason, offset.map(|offset| offset as u64)))?;
        if notebook.name.is_none() && !is_exported {
            notebook.name = name_of(&candidate.file);
        }
        Ok(Found { notebook, notice: (!notices.is_empty()).then(|| notices.join("; ")) })
    }

    fn is_whole(&self) -> bool {
        false
    }
}

/// Returns a file's path without its ending. An ending in capitals remains, because `a.ipynb` may be beside `a.IPYNB`.
fn path_of(file: &str) -> &str {
    file.strip_suffix(ENDING).unwrap_or(file)
}

/// Returns the name of a notebook whose file contains none: the file's path, or if that is too long, the longest end of
/// it from a folder on that is short enough.
fn name_of(file: &str) -> Option<Arc<str>> {
    let end = file.len().checked_sub(ENDING.len())?;
    let path = file.get(..end)?;
    let from_folders = path.match_indices('/').filter_map(|(at, _)| path.get(at + 1..));
    [path].into_iter().chain(from_folders).find_map(|name| Notebook::name_from(name).ok()).flatten()
}

/// Returns the id of a notebook in a file of this path: the path itself, if it needs no escaping anywhere, or else a
/// digest of it, as for all files in directories below.
fn id_of(path: &str) -> Result<NotebookId, quire_domain::InvalidId> {
    let id = NotebookId::new(path);
    if let Ok(id) = id
        && file_stems(&id).next().as_deref() == Some(path)
    {
        return Ok(id);
    }
    let digest = Sha256::digest(path);
    NotebookId::new(format!("ipynb-{}", hex::encode(digest.get(..16).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_where_names_are_plain() {
        let id = |path: &str| id_of(path).unwrap().to_string();
        assert_eq!(id("Untitled-1.v2"), "Untitled-1.v2");
        assert_eq!(id("My analysis"), id("My analysis"));
        assert!(id("My analysis").starts_with("ipynb-") && id("My analysis") != id("My analysis 2"));
        assert!(id(&"x".repeat(250)).starts_with("ipynb-"));
        assert!(id("a/b").starts_with("ipynb-") && id("a/b") != id("c/b") && id("a/b") != id("b"));
        assert_eq!((path_of("a/b.c/d.e.ipynb"), path_of("a.IPYNB")), ("a/b.c/d.e", "a.IPYNB"));
    }

    #[test]
    fn names_are_paths_as_far_as_they_are_short_enough() {
        let name = |file: String| name_of(&file).unwrap().to_string();
        assert_eq!(name("a/b.c/d.e.ipynb".into()), "a/b.c/d.e");
        assert_eq!(name("A.IPYNB".into()), "A");
        assert_eq!(name(format!("{}/b/c.ipynb", "a".repeat(255))), "b/c");
        assert_eq!(name_of(&format!("{}.ipynb", "a".repeat(256))), None);
    }
}
