//! Putting new content in a file's place: atomic, durable, and never over an edit that nobody has seen.

use std::io;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::folder::meta_of;
use super::temporary::{Temporary, keep};
use super::{Folder, Meta, ReadFile};
use crate::digest::Digest;

/// What is to be replaced, and by what.
pub(crate) struct Replacement<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) temporaries: &'a Folder,
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// How a replacement ended.
pub(crate) enum Replaced {
    /// The new content is in place and durable.
    Done(Meta),
    /// The file is not what it was thought to be, or is gone; it was left as it is.
    Changed,
    /// The new content is in place, but whether it survives a loss of power is not known.
    Unsure(Meta, io::Error),
}

/// How making a new file ended.
pub(crate) enum Created {
    /// The file is in place and durable.
    Done(Meta),
    /// The name is taken; what has it was left as it is.
    Taken,
    /// The file is in place, but whether it survives a loss of power is not known.
    Unsure(Meta, io::Error),
}

/// Replaces a file whose content has the digest `old`.
pub(crate) fn replace(what: &Replacement<'_>, old: &Digest) -> io::Result<Replaced> {
    let temporary = Temporary::write(what.temporaries, what.name, Some(old), what.bytes)?;
    let swap = || what.temporaries.rename(&temporary.name, what.folder, what.name, RenameFlags::EXCHANGE);
    // An exchange, not a plain rename: what was in the place comes out and can be looked at, so that an edit from
    // outside that came after our last look is not lost.
    match swap() {
        Ok(()) => {}
        Err(Errno::NOENT) => {
            temporary.remove();
            return Ok(Replaced::Changed);
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return replace_plainly(what, &temporary, old),
        Err(error) => {
            temporary.remove();
            return Err(error.into());
        }
    }
    // Its content is compared, not its times: the rename itself has changed those.
    if !is_content(what.temporaries, &temporary.name, old) {
        put_back(what, &temporary, swap)?;
        return Ok(Replaced::Changed);
    }
    finish(what.folder, &temporary).map(|(meta, synced)| match synced {
        Ok(()) => Replaced::Done(meta),
        Err(error) => Replaced::Unsure(meta, error),
    })
}

/// Makes a file that is not there yet.
pub(crate) fn create(what: &Replacement<'_>) -> io::Result<Created> {
    let temporary = Temporary::write(what.temporaries, what.name, None, what.bytes)?;
    // Neither way ever overwrites a file that came there meanwhile.
    let moved = match what.temporaries.rename(&temporary.name, what.folder, what.name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            what.temporaries.link(&temporary.name, what.folder, what.name)
        }
        moved => moved,
    };
    if let Err(error) = moved {
        temporary.remove();
        return if error == Errno::EXIST { Ok(Created::Taken) } else { Err(error.into()) };
    }
    finish(what.folder, &temporary).map(|(meta, synced)| match synced {
        Ok(()) => Created::Done(meta),
        Err(error) => Created::Unsure(meta, error),
    })
}

/// After the rename: makes the name durable, and only then lets go of the old content.
fn finish(folder: &Folder, temporary: &Temporary<'_>) -> io::Result<(Meta, io::Result<()>)> {
    let synced = folder.sync();
    if synced.is_ok() {
        temporary.remove();
    }
    // Of the open file: whoever has replaced it since changes nothing about what we wrote.
    Ok((meta_of(&temporary.file)?, synced))
}

/// For file systems that cannot exchange: looks once more, then renames. An edit from outside that falls between the
/// two, some microseconds, is overwritten.
fn replace_plainly(what: &Replacement<'_>, temporary: &Temporary<'_>, old: &Digest) -> io::Result<Replaced> {
    if !is_content(what.folder, what.name, old) {
        temporary.remove();
        return Ok(Replaced::Changed);
    }
    if let Err(error) = what.temporaries.rename(&temporary.name, what.folder, what.name, RenameFlags::empty()) {
        temporary.remove();
        return Err(error.into());
    }
    finish(what.folder, temporary).map(|(meta, synced)| match synced {
        Ok(()) => Replaced::Done(meta),
        Err(error) => Replaced::Unsure(meta, error),
    })
}

/// Whether a file has this content.
fn is_content(folder: &Folder, name: &str, expected: &Digest) -> bool {
    matches!(folder.read(name, u64::MAX), Ok(ReadFile::Read(bytes, _)) if Digest::of(&bytes) == *expected)
}

/// Exchanges back, so that the edit from outside is in the place again.
fn put_back(what: &Replacement<'_>, temporary: &Temporary<'_>, swap: impl Fn() -> Result<(), Errno>) -> io::Result<()> {
    match swap() {
        Ok(()) => {}
        // Somebody removed the file meanwhile: then the last word is that it is gone, and the edit before it is kept.
        Err(Errno::NOENT) => {
            keep(what.temporaries, &temporary.name);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    if is_content(what.temporaries, &temporary.name, &Digest::of(what.bytes)) {
        temporary.remove();
    } else {
        // A second edit from outside came while ours was in the place; it is the newest and goes back there. The first
        // one, which its author has overwritten, is kept all the same.
        swap()?;
        keep(what.temporaries, &temporary.name);
    }
    what.folder.sync()
}
