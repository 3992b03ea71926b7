//! Observing files: the index is compared with what is on disk.

use std::io;

use quire_domain::NotebookId;
use quire_files::quire::{self, Defaults, Parsed};
use quire_files::{ParseError, ParseErrorKind};
use rustix::io::Errno;

use super::Engine;
use crate::digest::Digest;
use crate::disk::{Kind, Meta, ReadFile};
use crate::error::Error;
use crate::index::{Content, Entry, IndexLookup, IndexedNotebook};
use crate::{MAX_FILE_BYTES, names};

/// Rounds in which a file is different each time before a call gives up.
pub(crate) const ROUNDS: usize = 8;

/// Required freshness of an entry of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The state of the file. Another edit within the same tick of the kernel's clock may leave the same state, so this is for
    /// calls that compare the content later.
    State,
    /// The content, which is read if the state proves nothing.
    Content,
    /// The content, which is read and parsed in any case.
    Read,
}

/// A notebook's file, as it is now.
pub(super) struct CurrentFile {
    pub(super) file: Box<str>,
    pub(super) digest: Digest,
    pub(super) known: IndexedNotebook,
    /// Present with [`Freshness::Read`].
    pub(super) parsed: Option<Parsed>,
}

/// Content of a file at the time when it was read.
pub(super) struct Observed {
    pub(super) entry: Entry,
    parsed: Option<Parsed>,
}

impl Engine {
    /// Observes a notebook's file, and notes its changes in the index. `None` when there is no such notebook. The caller
    /// has the notebook's slot.
    pub(super) fn observe(&self, id: &NotebookId, freshness: Freshness) -> Result<Option<CurrentFile>, Error> {
        for _ in 0..ROUNDS {
            let found = self.index().find(id);
            let (file, entry) = match &found {
                IndexLookup::Notebook(file, entry, _) | IndexLookup::Damaged(file, entry, _) => {
                    (file.clone(), entry.clone())
                }
                IndexLookup::Nothing if self.find_new(id)? => continue,
                IndexLookup::Nothing => return Ok(None),
            };
            if freshness != Freshness::Read
                && let Ok(Some(meta)) = self.notebooks.meta(&file)
                && (entry.is_current(&meta) || (freshness == Freshness::State && entry.fingerprint == meta.fingerprint))
            {
                return current(found, None);
            }
            let seen = self.read_file(&file, (freshness != Freshness::Read).then_some(&entry))?;
            self.note(&file, seen.as_ref().map(|seen| &seen.entry));
            let Some(seen) = seen else { continue };
            let found = self.index().find(id);
            if let IndexLookup::Notebook(now, entry, _) | IndexLookup::Damaged(now, entry, _) = &found
                && *now == file
                && entry.fingerprint == seen.entry.fingerprint
            {
                return current(found, seen.parsed);
            }
        }
        Err(Error::ConcurrentlyModified)
    }

    /// Looks for a file of a notebook that is not in the index yet. Returns `true` if one was noted.
    fn find_new(&self, id: &NotebookId) -> Result<bool, Error> {
        for name in names::candidates(id) {
            if self.index().get(&name).is_some() {
                continue;
            }
            // A file that holds another notebook is left to the scan: on a file system that folds case, this is not the
            // name by which the directory lists it.
            if let Some(seen) = self.read_file(&name, None)?
                && seen.entry.id().is_none_or(|inside| inside == id)
            {
                self.note(&name, Some(&seen.entry));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a file. With an entry that its content still fits, the content is not looked into.
    pub(super) fn read_file(&self, name: &str, known: Option<&Entry>) -> io::Result<Option<Observed>> {
        let (bytes, meta) = match self.notebooks.read(name, MAX_FILE_BYTES) {
            Ok(ReadFile::Read(bytes, meta)) => (bytes, meta),
            Ok(ReadFile::Missing) => return Ok(None),
            Ok(ReadFile::NotAFile(meta)) => return Ok(Some(unreadable(name, &meta, describe_kind(meta.kind)))),
            Ok(ReadFile::TooLarge(meta)) => {
                return Ok(Some(unreadable(name, &meta, &format!("has more than {MAX_FILE_BYTES} bytes"))));
            }
            Err(error) if is_local_failure(&error) => return Err(error),
            Err(error) => {
                let meta = match self.notebooks.meta(name) {
                    Ok(Some(meta)) => meta,
                    Ok(None) => return Ok(None),
                    Err(_) => self.notebooks.own_meta()?,
                };
                // Such trouble may pass without a change of the file, so this state proves nothing.
                let meta = Meta { settled: false, ..meta };
                return Ok(Some(unreadable(name, &meta, &format!("cannot be read: {error}"))));
            }
        };
        let digest = Digest::of(&bytes);
        if let Some(known) = known.filter(|known| known.digest == Some(digest)) {
            return Ok(Some(Observed { entry: Entry::new(&meta, Some(digest), known.content.clone()), parsed: None }));
        }
        let owner = names::owner_of(name).unwrap_or_else(|| self.default_owner.clone());
        let read = quire::read(&bytes, &Defaults { id: None, owner, time: meta.fingerprint.modified_at() });
        let read = read.map_err(|damage| with_name(name, damage));
        let entry = Entry::new(&meta, Some(digest), Content::of(&read));
        Ok(Some(Observed { entry, parsed: read.ok() }))
    }

    /// Notes what a file was found to hold, or that it is gone, and notifies subscribers.
    pub(super) fn note(&self, file: &str, seen: Option<&Entry>) {
        let changed = {
            let mut index = self.index();
            match (index.get(file), seen) {
                (Some(old), Some(new))
                    if old.digest == new.digest && (new.digest.is_some() || old.content == new.content) =>
                {
                    index.same_content(file, new);
                    Vec::new()
                }
                (_, Some(new)) => index.found(file, new.clone(), false),
                (Some(_), None) => index.gone(file),
                (None, None) => Vec::new(),
            }
        };
        self.notify(changed);
    }
}

fn current(found: IndexLookup, parsed: Option<Parsed>) -> Result<Option<CurrentFile>, Error> {
    match found {
        IndexLookup::Notebook(file, Entry { digest: Some(digest), .. }, known) => {
            Ok(Some(CurrentFile { file, digest, known, parsed }))
        }
        IndexLookup::Notebook(..) | IndexLookup::Nothing => Ok(None),
        IndexLookup::Damaged(file, _, reason) => Err(Error::Damaged(format!("the file {file}, {reason}"))),
    }
}

pub(crate) fn describe_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Directory => "is a directory",
        // Followed, it could lead out of the directory, and a write would replace the link, not what it leads to.
        Kind::SymbolicLink => "is a symbolic link",
        Kind::File | Kind::Other => "is no regular file",
    }
}

/// Returns `true` if a failure is of this process or the system, and not of the file.
fn is_local_failure(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    errno.is_none() || matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

fn unreadable(name: &str, meta: &Meta, reason: &str) -> Observed {
    let damage = with_name(
        name,
        ParseError { id: None, owner: None, kind: ParseErrorKind::Shape, reason: reason.to_owned(), offset: None },
    );
    Observed { entry: Entry::new(meta, None, Content::of(&Err(damage))), parsed: None }
}

/// Fills in the id and the owner that the file's name suggests.
fn with_name(name: &str, damage: ParseError) -> ParseError {
    ParseError {
        id: damage.id.or_else(|| names::id_of(name)),
        owner: damage.owner.or_else(|| names::owner_of(name)),
        ..damage
    }
}
