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
        assert!(matches!(create(&case.what()).unwrap(), Created::Taken));
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
}
