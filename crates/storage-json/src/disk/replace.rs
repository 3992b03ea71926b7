//! Replacing, creating and removing files: atomic, durable, and never over an edit that was not observed.

use std::io;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::folder::meta_of;
use super::temporary::{Temporary, name_of_deleted, preserve};
use super::{Folder, Meta, ReadFile};
use crate::digest::Digest;

/// A file to replace, and its new content.
pub(crate) struct Replacement<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) temporaries: &'a Folder,
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// Result of a replacement.
pub(crate) enum Replaced {
    /// The new content is in place and durable.
    Done(Meta),
    /// The file has other content than expected, or is gone; it was left as it is.
    Changed,
    /// The new content is in place, but may not survive a loss of power.
    DurabilityUnknown(Meta, io::Error),
}

/// Result of making a new file.
pub(crate) enum Created {
    /// The file is in place and durable.
    Done(Meta),
    /// There is a file of this name; it was left as it is.
    AlreadyExists,
    /// The file is in place, but may not survive a loss of power.
    DurabilityUnknown(Meta, io::Error),
}

/// Result of removing a file.
pub(crate) enum Removed {
    /// The file is gone, durably if there is no error.
    Done(io::Result<()>),
    /// The file did not exist.
    Missing,
    /// The file has other content than expected; it was left as it is.
    Changed,
}

/// Replaces a file whose content has the digest `old`.
pub(crate) fn replace(replacement: &Replacement<'_>, old: &Digest) -> io::Result<Replaced> {
    let temporary = Temporary::write(replacement.temporaries, replacement.name, Some(old), replacement.bytes)?;
    let swap =
        || replacement.temporaries.rename(&temporary.name, replacement.folder, replacement.name, RenameFlags::EXCHANGE);
    // An exchange, not a plain rename: what was in the place comes out and can be looked at, so that an edit from
    // outside that came after the file was last observed is not lost.
    match swap() {
        Ok(()) => {}
        Err(Errno::NOENT) => {
            temporary.remove();
            return Ok(Replaced::Changed);
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return replace_by_rename(replacement, &temporary, old),
        Err(error) => {
            temporary.remove();
            return Err(error.into());
        }
    }
    // Its content is compared, not its times: the rename itself has changed those.
    if !is_content(replacement.temporaries, &temporary.name, old) {
        return put_back(replacement, &temporary, swap);
    }
    Ok(match finish(replacement.folder, &temporary) {
        (meta, Ok(())) => Replaced::Done(meta),
        (meta, Err(error)) => Replaced::DurabilityUnknown(meta, error),
    })
}

/// Makes a file that is not there yet.
pub(crate) fn create(replacement: &Replacement<'_>) -> io::Result<Created> {
    let temporary = Temporary::write(replacement.temporaries, replacement.name, None, replacement.bytes)?;
    // Neither way ever overwrites a file that came there meanwhile.
    let moved = match replacement.temporaries.rename(
        &temporary.name,
        replacement.folder,
        replacement.name,
        RenameFlags::NOREPLACE,
    ) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            replacement.temporaries.link(&temporary.name, replacement.folder, replacement.name)
        }
        moved => moved,
    };
    if let Err(error) = moved {
        temporary.remove();
        return if error == Errno::EXIST { Ok(Created::AlreadyExists) } else { Err(error.into()) };
    }
    Ok(match finish(replacement.folder, &temporary) {
        (meta, Ok(())) => Created::Done(meta),
        (meta, Err(error)) => Created::DurabilityUnknown(meta, error),
    })
}

/// Removes a file whose content has the digest `old`. It is taken out first and looked at, so that an edit from outside
/// that came after the file was last observed is not lost.
pub(crate) fn remove(folder: &Folder, temporaries: &Folder, name: &str, old: &Digest) -> io::Result<Removed> {
    let taken_out = name_of_deleted(name, old);
    match folder.rename(name, temporaries, &taken_out, RenameFlags::empty()) {
        Ok(()) => {}
        // Else it is the temporaries' directory that is gone.
        Err(Errno::NOENT) if folder.meta(name)?.is_none() => return Ok(Removed::Missing),
        Err(error) => return Err(error.into()),
    }
    if is_content(temporaries, &taken_out, old) {
        let synced = folder.sync();
        let _ = temporaries.remove(&taken_out); // the next start removes it otherwise
        return Ok(Removed::Done(synced));
    }
    let put_back = match temporaries.rename(&taken_out, folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            temporaries.link(&taken_out, folder, name).map(|()| drop(temporaries.remove(&taken_out)))
        }
        moved => moved,
    };
    if let Err(error) = put_back {
        preserve(temporaries, &taken_out);
        // A newer one has come to the place.
        return if error == Errno::EXIST { Ok(Removed::Changed) } else { Err(error.into()) };
    }
    folder.sync()?;
    Ok(Removed::Changed)
}

/// Makes the name durable after the rename, and then removes the old content.
fn finish(folder: &Folder, temporary: &Temporary<'_>) -> (Meta, io::Result<()>) {
    let synced = folder.sync();
    if synced.is_ok() {
        temporary.remove();
    }
    // Of the open file: another program that has replaced it since changes nothing about what was written.
    let (meta, error) = meta_in_place(temporary);
    (meta, error.map_or(synced, Err))
}

/// Returns the state of the file in place. If it cannot be read, returns the state before the rename, marked so that the content
/// is compared the next time: the change has been made all the same.
fn meta_in_place(temporary: &Temporary<'_>) -> (Meta, Option<io::Error>) {
    match meta_of(&temporary.file) {
        Ok(meta) => (meta, None),
        Err(error) => (Meta { settled: false, ..temporary.meta }, Some(error)),
    }
}

/// Replaces a file on a file system that cannot exchange: compares the content once more, then renames. An edit from outside
/// between the two, some microseconds, is overwritten.
fn replace_by_rename(replacement: &Replacement<'_>, temporary: &Temporary<'_>, old: &Digest) -> io::Result<Replaced> {
    if !is_content(replacement.folder, replacement.name, old) {
        temporary.remove();
        return Ok(Replaced::Changed);
    }
    if let Err(error) =
        replacement.temporaries.rename(&temporary.name, replacement.folder, replacement.name, RenameFlags::empty())
    {
        temporary.remove();
        return Err(error.into());
    }
    Ok(match finish(replacement.folder, temporary) {
        (meta, Ok(())) => Replaced::Done(meta),
        (meta, Err(error)) => Replaced::DurabilityUnknown(meta, error),
    })
}

/// Returns `true` if a file has this content.
fn is_content(folder: &Folder, name: &str, expected: &Digest) -> bool {
    // What was expected has been read, or made, within this limit.
    matches!(folder.read(name, crate::MAX_FILE_BYTES), Ok(ReadFile::Read(bytes, _)) if Digest::of(&bytes) == *expected)
}

/// Exchanges the files back, so that the edit from outside is in place again.
fn put_back(
    replacement: &Replacement<'_>,
    temporary: &Temporary<'_>,
    swap: impl Fn() -> Result<(), Errno>,
) -> io::Result<Replaced> {
    match swap() {
        Ok(()) => {}
        // The file was removed meanwhile: it stays removed, and the edit before that is preserved.
        Err(Errno::NOENT) => {
            preserve(replacement.temporaries, &temporary.name);
            return Ok(Replaced::Changed);
        }
        // Ours stays in the place.
        Err(error) => {
            preserve(replacement.temporaries, &temporary.name);
            return Ok(Replaced::DurabilityUnknown(meta_in_place(temporary).0, error.into()));
        }
    }
    if is_content(replacement.temporaries, &temporary.name, &Digest::of(replacement.bytes)) {
        temporary.remove();
    } else {
        // A second edit from outside came while ours was in the place; it is the newest and goes back there. The first
        // one, which its author has overwritten, is preserved all the same.
        let swapped = swap();
        preserve(replacement.temporaries, &temporary.name);
        swapped?;
    }
    replacement.folder.sync()?;
    Ok(Replaced::Changed)
}

#[cfg(test)]
mod tests;
