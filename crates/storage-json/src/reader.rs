//! Reading a directory of notebooks without leaving a trace in it, for programs that import from it.

use std::io;
use std::path::{Path, PathBuf};

use quire_domain::{Notebook, NotebookId, Timestamp, UserId};
use quire_files::quire::{self, Defaults};

use crate::disk::{Folder, Meta, ReadFile};
use crate::engine::{ROUNDS, describe_kind};
use crate::{MAX_FILE_BYTES, OpenError, names, results};

/// Path of the directory of results, relative to the notebooks.
const OUTPUTS: &str = ".quire/outputs";

/// A directory of notebook files, of older servers or of a [`JsonNotebookStore`](crate::JsonNotebookStore), that is only
/// read: it is not locked, and nothing in it is written, made or removed. Other programs may serve or edit it meanwhile: a
/// file that changes while it is read is read again.
///
/// The calls block.
#[derive(Clone, Debug)]
pub struct NotebookDirectory {
    root: PathBuf,
    default_owner: UserId,
}

/// A directory entry that is, or should be, a notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path below the directory; characters that are not UTF-8 are replaced.
    pub file: String,
    /// The id that its name suggests; the id inside the file counts.
    pub id: Option<NotebookId>,
    /// The reason why it cannot be read, if its name or kind tells.
    pub refusal: Option<Unread>,
}

/// A notebook that was read.
#[derive(Clone, Debug)]
pub struct ReadNotebook {
    /// The notebook, with the results beside its file.
    pub notebook: Notebook,
    /// Set when some results were left out, because they were cut short or damaged.
    pub results_incomplete: bool,
}

/// A file as it was at one moment.
#[derive(Clone, Debug)]
pub struct FileBytes {
    /// The content.
    pub bytes: Vec<u8>,
    /// The time of its last change.
    pub modified_at: Timestamp,
}

/// The reason why a file gave no notebook, for people. It holds no content and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unread {
    /// Kind of obstacle.
    pub kind: Unreadable,
    /// The notebook that the file is or seems to be, if that can be determined.
    pub id: Option<NotebookId>,
    /// Description of the problem and its place.
    pub reason: String,
    /// Byte offset of the problem in the file.
    pub offset: Option<usize>,
}

/// Obstacle to reading a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The content is no notebook or exceeds a limit.
    Content,
    /// The file could not be read, or kept changing while it was read.
    File,
    /// The entry is a directory, or a link to one.
    Directory,
}

/// A predicate on the name of a directory entry, true if it should be a notebook.
type IsNotebook<'a> = &'a dyn Fn(&str) -> bool;

impl NotebookDirectory {
    /// Opens an existing directory. `default_owner` is the owner of notebooks whose files name none; `None` means the user `system`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(root: &Path, default_owner: Option<UserId>) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { dir: root.to_owned(), action: "list files", source };
        Folder::existing(root).map_err(failed)?;
        let default_owner = default_owner.map_or_else(|| UserId::new("system"), Ok);
        let default_owner = default_owner.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self { root: root.to_owned(), default_owner })
    }

    /// Lists the entries that should be notebooks, sorted by name; with `recursive` also those in directories below. Hidden files
    /// and directories and names that do not end in `.json` are left out. Symbolic links are listed and not followed.
    ///
    /// # Errors
    /// When the directory itself cannot be read; one below that cannot is an entry.
    pub fn entries(&self, recursive: bool) -> Result<Vec<FileEntry>, OpenError> {
        self.entries_named(recursive, &names::is_notebook)
    }

    /// Lists the entries as [`Self::entries`] does, for files of another format, whose names have this ending in any case and
    /// suggest no id.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub fn entries_ending(&self, recursive: bool, ending: &str) -> Result<Vec<FileEntry>, OpenError> {
        self.entries_named(recursive, &|name| names::has_ending(&name.to_ascii_lowercase(), ending))
    }

    fn entries_named(&self, recursive: bool, is_notebook: IsNotebook<'_>) -> Result<Vec<FileEntry>, OpenError> {
        let failed = |source| OpenError::Io { dir: self.root.clone(), action: "list files", source };
        let mut entries = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            match self.entries_in(&folder, (recursive, is_notebook), &mut entries, &mut folders) {
                Ok(()) => {}
                Err(error) if folder.is_empty() => return Err(failed(error)),
                Err(error) => {
                    entries.push(refused(
                        folder,
                        Unreadable::File,
                        &format!("is a directory that cannot be read: {error}"),
                    ));
                }
            }
        }
        entries.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(entries)
    }

    fn entries_in(
        &self,
        folder: &str,
        (recursive, is_notebook): (bool, IsNotebook<'_>),
        entries: &mut Vec<FileEntry>,
        folders: &mut Vec<String>,
    ) -> io::Result<()> {
        for entry in std::fs::read_dir(self.root.join(folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            if shown.starts_with('.') {
                continue;
            }
            let file = if folder.is_empty() { shown.clone().into_owned() } else { format!("{folder}/{shown}") };
            let kind = entry.file_type()?;
            let is_notebook = is_notebook(&shown);
            let leads_to_folder =
                || kind.is_symlink() && std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir());
            if recursive && kind.is_dir() {
                match name.to_str() {
                    Some(_) => folders.push(file),
                    None => entries.push(refused(file, Unreadable::File, "its name is not UTF-8")),
                }
            } else if recursive && leads_to_folder() {
                entries.push(refused(
                    file,
                    Unreadable::Directory,
                    "is a symbolic link to a directory, and is not followed",
                ));
            } else if is_notebook && kind.is_dir() {
                entries.push(refused(file, Unreadable::Directory, "is a directory"));
            } else if is_notebook && name.to_str().is_none() {
                entries.push(refused(file, Unreadable::File, "its name is not UTF-8"));
            } else if is_notebook {
                entries.push(FileEntry { id: names::id_of(&shown), file, refusal: None });
            }
        }
        Ok(())
    }

    /// Reads the notebook in a file, named by its path below the directory, as it is at one moment.
    ///
    /// # Errors
    /// [`Unread`] says why there is none.
    pub fn read(&self, file: &str) -> Result<ReadNotebook, Unread> {
        self.read_steadily(file, |name, bytes, meta, folder| self.parse(name, bytes, meta, folder))
    }

    /// Reads a file, named by its path below the directory, as it is at one moment.
    ///
    /// # Errors
    /// [`Unread`] says why it cannot be read.
    pub fn read_bytes(&self, file: &str) -> Result<FileBytes, Unread> {
        self.read_steadily(file, |_, bytes, meta, _| {
            Ok(FileBytes { bytes: bytes.to_vec(), modified_at: meta.fingerprint.modified_at() })
        })
    }

    /// Calls `make` with a file's bytes, again if the file was changed meanwhile.
    fn read_steadily<T>(
        &self,
        file: &str,
        make: impl Fn(&str, &[u8], &Meta, &Path) -> Result<T, Unread>,
    ) -> Result<T, Unread> {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let unread = |kind, reason: String| Unread { kind, id: names::id_of(name), reason, offset: None };
        let path = self.root.join(folder);
        let cannot = |error: io::Error| unread(Unreadable::File, format!("cannot be read: {error}"));
        let folder = Folder::existing(&path).map_err(cannot)?;
        for _ in 0..ROUNDS {
            let (bytes, meta) = match folder.read(name, MAX_FILE_BYTES).map_err(cannot)? {
                ReadFile::Read(bytes, meta) => (bytes, meta),
                ReadFile::Missing => return Err(unread(Unreadable::File, "vanished before it was read".to_owned())),
                ReadFile::NotAFile(meta) => return Err(unread(Unreadable::File, describe_kind(meta.kind).to_owned())),
                ReadFile::TooLarge(_) => {
                    return Err(unread(Unreadable::Content, format!("has more than {MAX_FILE_BYTES} bytes")));
                }
            };
            let read = make(name, &bytes, &meta, &path);
            if is_unchanged(&folder, name, &bytes, &meta).map_err(cannot)? {
                return read;
            }
        }
        Err(unread(Unreadable::File, "keeps changing, or vanished, while it is read".to_owned()))
    }

    fn parse(&self, name: &str, bytes: &[u8], meta: &Meta, folder: &Path) -> Result<ReadNotebook, Unread> {
        let owner = names::owner_of(name).unwrap_or_else(|| self.default_owner.clone());
        let read = quire::read(bytes, &Defaults { id: None, owner, time: meta.fingerprint.modified_at() });
        let mut notebook = read
            .map_err(|error| Unread {
                kind: Unreadable::Content,
                id: error.id.or_else(|| names::id_of(name)),
                reason: error.reason,
                offset: error.offset,
            })?
            .notebook;
        let found = Folder::existing(&folder.join(OUTPUTS))
            .and_then(|outputs| results::read(&outputs, &notebook.id, notebook.revision));
        let results_incomplete = match found {
            Ok(found) => {
                results::add(&mut notebook, &found.latest);
                found.incomplete
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                let reason = format!("its results, which lie beside it, cannot be read: {error}");
                return Err(Unread { kind: Unreadable::File, id: Some(notebook.id), reason, offset: None });
            }
        };
        Ok(ReadNotebook { notebook, results_incomplete })
    }
}

fn refused(file: String, kind: Unreadable, reason: &str) -> FileEntry {
    FileEntry { file, id: None, refusal: Some(Unread { kind, id: None, reason: reason.to_owned(), offset: None }) }
}

/// Returns `true` if the file has had the same content since before it was read.
fn is_unchanged(folder: &Folder, name: &str, bytes: &[u8], before: &Meta) -> io::Result<bool> {
    if !folder.meta(name)?.is_some_and(|now| now.fingerprint == before.fingerprint) {
        return Ok(false);
    }
    // So soon after a change, another one may have left the same state: only the content tells.
    Ok(before.settled || matches!(folder.read(name, MAX_FILE_BYTES)?, ReadFile::Read(again, _) if again == bytes))
}
