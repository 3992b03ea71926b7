//! Temporaries: files that are being written, or have just been replaced. Their names say what they are part of, so
//! that what a crash leaves behind can be told apart when the directory is opened again.

use std::fs::File;
use std::io::{self, Write as _};

use rustix::fs::RenameFlags;

use super::{Folder, ReadFile};
use crate::digest::Digest;

/// How the names of temporaries end.
const SUFFIX: &str = ".tmp";
/// Stands for the old content of a file that is made anew.
const NOTHING: &str = "new";

/// A file in the temporaries' directory, complete and durable, not yet in its place.
pub(super) struct Temporary<'a> {
    folder: &'a Folder,
    pub(super) name: String,
    pub(super) file: File,
}

impl<'a> Temporary<'a> {
    /// Writes the new content of `target`, which now has the content `old`.
    pub(super) fn write(folder: &'a Folder, target: &str, old: Option<&Digest>, bytes: &[u8]) -> io::Result<Self> {
        let old = old.map_or_else(|| NOTHING.to_owned(), Digest::short);
        let name = format!("{}.{}.{old}{SUFFIX}", short_name(target), Digest::of(bytes).short());
        // One left by an earlier attempt at the same change; only one attempt at a time is under way for a target.
        folder.remove(&name)?;
        let file = folder.create_file(&name)?;
        let mut temporary = Self { folder, name, file };
        // Content first: without this, a crash after the rename can leave the new name on an empty file.
        match temporary.file.write_all(bytes).and_then(|()| temporary.file.sync_all()) {
            Ok(()) => Ok(temporary),
            Err(error) => {
                temporary.remove();
                Err(error)
            }
        }
    }

    /// Removes whatever now has the temporary's name. Failing is harmless: the next start cleans up.
    pub(super) fn remove(&self) {
        let _ = self.folder.remove(&self.name);
    }
}

/// Where a file goes that nobody knows where to put: an edit from outside that came between two steps of ours.
pub(super) fn keep(temporaries: &Folder, name: &str) {
    // Without the ending it is no temporary, and stays.
    let kept = format!("{}.kept", name.trim_end_matches(SUFFIX));
    let done = temporaries.rename(name, temporaries, &kept, RenameFlags::NOREPLACE);
    tracing::error!(file = kept, ?done, "an edit from outside was overtaken by another one and kept beside");
}

/// Removes what a crash has left. Where the crash came after an exchange that took out an edit from outside, and before
/// that edit was put back, it is put back now.
pub(crate) fn clean_up(notebooks: &Folder, temporaries: &Folder, targets: &[String]) -> io::Result<usize> {
    let mut removed = 0;
    for name in temporaries.names()? {
        let super::folder::Name::Text(name) = name else { continue };
        let Some(parts) = name.strip_suffix(SUFFIX) else { continue };
        if let [target, new, old] = parts.split('.').collect::<Vec<_>>()[..]
            && let Some(target) = targets.iter().find(|name| short_name(name) == target)
            && new != old
            && digest(notebooks, target)?.as_deref() == Some(new)
            && let Some(content) = digest(temporaries, &name)?
            && content != new
            && content != old
        {
            temporaries.rename(&name, notebooks, target, RenameFlags::empty())?;
            tracing::warn!(file = target, "put back an edit from outside that came while the server stopped");
            continue;
        }
        temporaries.remove(&name)?;
        removed += 1;
    }
    Ok(removed)
}

fn short_name(target: &str) -> String {
    Digest::of(target.as_bytes()).short()
}

fn digest(folder: &Folder, name: &str) -> io::Result<Option<String>> {
    Ok(match folder.read(name, u64::MAX)? {
        ReadFile::Read(bytes, _) => Some(Digest::of(&bytes).short()),
        ReadFile::Missing | ReadFile::NotAFile(_) | ReadFile::TooLarge(_) => None,
    })
}
