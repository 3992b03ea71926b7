//! Putting new content in a file's place: atomic, durable, and never over an edit that was not observed.

use std::io;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::folder::meta_of;
use super::temporary::{Temporary, keep, name_of_deleted};
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
    /// The file is not what it was thought to be, or is gone; it was left as it is.
    Changed,
    /// The new content is in place, but whether it survives a loss of power is not known.
    DurabilityUnknown(Meta, io::Error),
}

/// Result of making a new file.
pub(crate) enum Created {
    /// The file is in place and durable.
    Done(Meta),
    /// There is a file of this name; it was left as it is.
    AlreadyExists,
    /// The file is in place, but whether it survives a loss of power is not known.
    DurabilityUnknown(Meta, io::Error),
}

/// Result of removing a file.
pub(crate) enum Removed {
    /// The file is gone; whether that survives a loss of power.
    Done(io::Result<()>),
    /// It was gone already.
    Missing,
    /// Its content is not what it was thought to be; it was left as it is.
    Changed,
}

/// Replaces a file whose content has the digest `old`.
pub(crate) fn replace(what: &Replacement<'_>, old: &Digest) -> io::Result<Replaced> {
    let temporary = Temporary::write(what.temporaries, what.name, Some(old), what.bytes)?;
    let swap = || what.temporaries.rename(&temporary.name, what.folder, what.name, RenameFlags::EXCHANGE);
    // An exchange, not a plain rename: what was in the place comes out and can be looked at, so that an edit from
    // outside that came after the file was last observed is not lost.
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
        return put_back(what, &temporary, swap);
    }
    Ok(match finish(what.folder, &temporary) {
        (meta, Ok(())) => Replaced::Done(meta),
        (meta, Err(error)) => Replaced::DurabilityUnknown(meta, error),
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
        return if error == Errno::EXIST { Ok(Created::AlreadyExists) } else { Err(error.into()) };
    }
    Ok(match finish(what.folder, &temporary) {
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
        keep(temporaries, &taken_out);
        // A newer one has come to the place.
        return if error == Errno::EXIST { Ok(Removed::Changed) } else { Err(error.into()) };
    }
    folder.sync()?;
    Ok(Removed::Changed)
}

/// After the rename: makes the name durable, and only then lets go of the old content.
fn finish(folder: &Folder, temporary: &Temporary<'_>) -> (Meta, io::Result<()>) {
    let synced = folder.sync();
    if synced.is_ok() {
        temporary.remove();
    }
    // Of the open file: another program that has replaced it since changes nothing about what was written.
    let (meta, error) = meta_in_place(temporary);
    (meta, error.map_or(synced, Err))
}

/// The state of what is in place now. When it cannot be had, that of before, which proves nothing, so that the content is
/// compared the next time: the change has happened all the same.
fn meta_in_place(temporary: &Temporary<'_>) -> (Meta, Option<io::Error>) {
    match meta_of(&temporary.file) {
        Ok(meta) => (meta, None),
        Err(error) => (Meta { settled: false, ..temporary.meta }, Some(error)),
    }
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
    Ok(match finish(what.folder, temporary) {
        (meta, Ok(())) => Replaced::Done(meta),
        (meta, Err(error)) => Replaced::DurabilityUnknown(meta, error),
    })
}

/// Returns `true` if a file has this content.
fn is_content(folder: &Folder, name: &str, expected: &Digest) -> bool {
    // What was expected has been read, or made, within this limit.
    matches!(folder.read(name, crate::MAX_FILE_BYTES), Ok(ReadFile::Read(bytes, _)) if Digest::of(&bytes) == *expected)
}

/// Exchanges back, so that the edit from outside is in the place again.
fn put_back(
    what: &Replacement<'_>,
    temporary: &Temporary<'_>,
    swap: impl Fn() -> Result<(), Errno>,
) -> io::Result<Replaced> {
    match swap() {
        Ok(()) => {}
        // Somebody removed the file meanwhile: then the last word is that it is gone, and the edit before it is kept.
        Err(Errno::NOENT) => {
            keep(what.temporaries, &temporary.name);
            return Ok(Replaced::Changed);
        }
        // Ours stays in the place.
        Err(error) => {
            keep(what.temporaries, &temporary.name);
            return Ok(Replaced::DurabilityUnknown(meta_in_place(temporary).0, error.into()));
        }
    }
    if is_content(what.temporaries, &temporary.name, &Digest::of(what.bytes)) {
        temporary.remove();
    } else {
        // A second edit from outside came while ours was in the place; it is the newest and goes back there. The first
        // one, which its author has overwritten, is kept all the same.
        let swapped = swap();
        keep(what.temporaries, &temporary.name);
        swapped?;
    }
    what.folder.sync()?;
    Ok(Replaced::Changed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A file, as it was when it was last looked at, and what replaces it.
    struct Case {
        dir: TempDir,
        folder: Folder,
        temporaries: Folder,
    }

    impl Case {
        fn new(content: Option<&str>) -> Self {
            let dir = TempDir::new().unwrap();
            if let Some(content) = content {
                fs::write(dir.path().join("x.json"), content).unwrap();
            }
            let folder = Folder::open(dir.path()).unwrap();
            let temporaries = folder.subfolder("tmp").unwrap();
            Self { dir, folder, temporaries }
        }

        fn what(&self) -> Replacement<'_> {
            Replacement { folder: &self.folder, temporaries: &self.temporaries, name: "x.json", bytes: b"ours" }
        }

        fn content(&self) -> Option<String> {
            fs::read_to_string(self.dir.path().join("x.json")).ok()
        }

        fn temporary_files(&self) -> usize {
            fs::read_dir(self.dir.path().join("tmp")).unwrap().count()
        }
    }

    #[test]
    fn what_is_as_expected_is_replaced() {
        let case = Case::new(Some("expected"));
        let replaced = replace(&case.what(), &Digest::of(b"expected")).unwrap();
        assert!(matches!(replaced, Replaced::Done(meta) if meta.fingerprint.size == 4));
        assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("ours"), 0));
    }

    /// The edit came after the last look at the file, at whatever moment before the exchange.
    #[test]
    fn an_edit_between_look_and_exchange_is_put_back() {
        let case = Case::new(Some("edited outside"));
        let replaced = replace(&case.what(), &Digest::of(b"expected")).unwrap();
        assert!(matches!(replaced, Replaced::Changed));
        assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("edited outside"), 0));
    }

    #[test]
    fn a_file_that_went_away_is_not_made_again() {
        let case = Case::new(None);
        let replaced = replace(&case.what(), &Digest::of(b"expected")).unwrap();
        assert!(matches!(replaced, Replaced::Changed));
        assert_eq!((case.content(), case.temporary_files()), (None, 0));
    }

    #[test]
    fn a_new_file_never_replaces_one() {
        let case = Case::new(Some("came from outside"));
        assert!(matches!(create(&case.what()).unwrap(), Created::AlreadyExists));
        assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("came from outside"), 0));
        fs::remove_file(case.dir.path().join("x.json")).unwrap();
        assert!(matches!(create(&case.what()).unwrap(), Created::Done(_)));
        assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("ours"), 0));
    }

    /// Where the file system cannot exchange.
    #[test]
    fn a_plain_rename_looks_once_more() {
        for (there, done) in [("expected", true), ("edited outside", false)] {
            let case = Case::new(Some(there));
            let expected = Digest::of(b"expected");
            let temporary = Temporary::write(&case.temporaries, "x.json", Some(&expected), b"ours").unwrap();
            let replaced = replace_plainly(&case.what(), &temporary, &expected).unwrap();
            assert_eq!(matches!(replaced, Replaced::Done(_)), done);
            assert_eq!(case.content().as_deref(), Some(if done { "ours" } else { there }));
            assert_eq!(case.temporary_files(), 0);
        }
    }

    /// Ours is in the place, and what came out is an edit from outside; then a second one comes.
    #[test]
    fn of_two_edits_from_outside_the_newer_stays_and_the_older_is_kept() {
        let case = Case::new(Some("first edit"));
        let what = case.what();
        let temporary = Temporary::write(&case.temporaries, "x.json", Some(&Digest::of(b"old")), b"ours").unwrap();
        let swap = || case.temporaries.rename(&temporary.name, &case.folder, "x.json", RenameFlags::EXCHANGE);
        swap().unwrap();
        fs::write(case.dir.path().join("x.json"), "second edit").unwrap();
        put_back(&what, &temporary, swap).unwrap();
        assert_eq!(case.content().as_deref(), Some("second edit"));
        let kept: Vec<_> = fs::read_dir(case.dir.path().join("tmp")).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "first edit");
    }

    #[test]
    fn what_cannot_be_put_back_is_kept_and_told_as_unsure() {
        let case = Case::new(Some("edited outside"));
        let temporary = Temporary::write(&case.temporaries, "x.json", Some(&Digest::of(b"old")), b"ours").unwrap();
        case.temporaries.rename(&temporary.name, &case.folder, "x.json", RenameFlags::EXCHANGE).unwrap();
        let answer = put_back(&case.what(), &temporary, || Err(Errno::IO)).unwrap();
        assert!(matches!(answer, Replaced::DurabilityUnknown(meta, _) if meta.fingerprint.size == 4));
        assert_eq!(case.content().as_deref(), Some("ours"));
        let kept = case.dir.path().join("tmp").join(temporary.name.replace(".tmp", ".kept"));
        assert_eq!(fs::read_to_string(kept).unwrap(), "edited outside");
    }

    #[test]
    fn only_what_is_as_expected_is_removed() {
        let case = Case::new(Some("edited outside"));
        let remove = || remove(&case.folder, &case.temporaries, "x.json", &Digest::of(b"expected")).unwrap();
        assert!(matches!(remove(), Removed::Changed));
        assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("edited outside"), 0));
        fs::write(case.dir.path().join("x.json"), "expected").unwrap();
        assert!(matches!(remove(), Removed::Done(Ok(()))));
        assert_eq!((case.content(), case.temporary_files()), (None, 0));
        assert!(matches!(remove(), Removed::Missing));
    }
}
