//! Temporary files: those that are being written, or have just been replaced. Their names hold the change that they are part
//! of, so that recovery after a crash can tell them apart.

use std::fs::File;
use std::io;

use rustix::fs::RenameFlags;

use super::folder::meta_of;
use super::{Folder, Meta, ReadFile, append};
use crate::digest::Digest;

/// Suffix of the names of temporaries.
const SUFFIX: &str = ".tmp";
/// Placeholder for the old content of a file that is new.
const NOTHING: &str = "new";

/// Placeholder for the new content of a file that is deleted.
const GONE: &str = "gone";

/// The name that a file with the content `old` gets while it is being deleted.
pub(super) fn name_of_deleted(target: &str, old: &Digest) -> String {
    format!("{}.{GONE}.{}{SUFFIX}", short_name(target), old.short())
}

/// A file in the temporaries' directory, complete and durable, not yet in its place.
pub(super) struct Temporary<'a> {
    folder: &'a Folder,
    pub(super) name: String,
    pub(super) file: File,
    /// Its state when it was complete.
    pub(super) meta: Meta,
}

impl<'a> Temporary<'a> {
    /// Writes the new content of `target`, which now has the content `old`.
    pub(super) fn write(folder: &'a Folder, target: &str, old: Option<&Digest>, bytes: &[u8]) -> io::Result<Self> {
        let old = old.map_or_else(|| NOTHING.to_owned(), Digest::short);
        let name = format!("{}.{}.{old}{SUFFIX}", short_name(target), Digest::of(bytes).short());
        // One left by an earlier attempt at the same change; only one attempt at a time is under way for a target.
        folder.remove(&name)?;
        let mut file = folder.create_file(&name)?;
        // Content first: without this, a crash after the rename can leave the new name on an empty file.
        match append(&mut file, bytes).and_then(|()| file.sync_all()).and_then(|()| meta_of(&file)) {
            Ok(meta) => Ok(Self { folder, name, file, meta }),
            Err(error) => {
                let _ = folder.remove(&name); // the next start cleans up otherwise
                Err(error)
            }
        }
    }

    /// Removes the file that now has the temporary's name. A failure is harmless: the next start cleans up.
    pub(super) fn remove(&self) {
        let _ = self.folder.remove(&self.name);
    }
}

/// Preserves an edit from outside that was overtaken by another one, under a name that is no temporary.
pub(super) fn preserve(temporaries: &Folder, name: &str) {
    // Without the ending it is no temporary, and stays.
    let kept = format!("{}.kept", name.trim_end_matches(SUFFIX));
    let done = temporaries.rename(name, temporaries, &kept, RenameFlags::NOREPLACE);
    tracing::error!(file = kept, ?done, "an edit from outside was overtaken by another one and is preserved beside it");
}

/// Removes temporary files that a crash left. If the crash came after an exchange that took out an edit from outside, and before
/// that edit was put back, it is put back now.
pub(crate) fn clean_up(notebooks: &Folder, temporaries: &Folder, targets: &[String]) -> io::Result<()> {
    for name in temporaries.names()? {
        if let super::folder::Name::Text(name) = name
            && let Some(parts) = name.strip_suffix(SUFFIX)
            && let Err(error) = clean_up_one(notebooks, temporaries, targets, &name, parts)
        {
            tracing::warn!(file = name, %error, "cannot clean up what an earlier server left");
        }
    }
    Ok(())
}

fn clean_up_one(
    notebooks: &Folder,
    temporaries: &Folder,
    targets: &[String],
    name: &str,
    parts: &str,
) -> io::Result<()> {
    if let [target, new, old] = parts.split('.').collect::<Vec<_>>()[..]
        && old != NOTHING
        && new != old
        && let Some(content) = digest(temporaries, name)?
        && content != new
        && content != old
    {
        let target = targets.iter().find(|name| short_name(name) == target);
        let there = target.map(|target| digest(notebooks, target)).transpose()?.flatten();
        match (target, there) {
            (Some(target), Some(there)) if there == new => {
                temporaries.rename(name, notebooks, target, RenameFlags::empty())?;
                tracing::warn!(file = target, "put back an edit from outside that came while the server stopped");
                return Ok(());
            }
            // Ours, cut short in the writing: the exchange had not come yet.
            (_, Some(there)) if there == old && new != GONE => {}
            // It may be an edit from outside that was taken out, with another one in its place since.
            _ => {
                preserve(temporaries, name);
                return Ok(());
            }
        }
    }
    temporaries.remove(name)?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// Leaves a temporary for the change from "old" to "new" with some content, beside a file with some content; says
    /// what the file holds after cleaning up.
    fn after_crash(file: &str, temporary: &str) -> String {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("x.json");
        fs::write(&path, file).unwrap();
        let notebooks = Folder::open(dir.path()).unwrap();
        let temporaries = notebooks.subfolder("tmp").unwrap();
        let left = Temporary::write(&temporaries, "x.json", Some(&Digest::of(b"old")), b"new").unwrap();
        fs::write(dir.path().join("tmp").join(&left.name), temporary).unwrap();
        clean_up(&notebooks, &temporaries, &["w.json".into(), "x.json".into()]).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn only_an_edit_from_outside_that_was_taken_out_goes_back() {
        assert_eq!(after_crash("old", ""), "old", "before the write");
        assert_eq!(after_crash("old", "ne"), "old", "in the middle of it");
        assert_eq!(after_crash("old", "new"), "old", "before the exchange");
        assert_eq!(after_crash("new", "old"), "new", "after it");
        assert_eq!(after_crash("new", "edit"), "edit", "after it, and an edit from outside was taken out");
        assert_eq!(after_crash("edit", "new"), "edit", "after putting it back");
    }

    #[test]
    fn what_may_be_an_edit_from_outside_is_kept_and_what_is_not_ours_stops_nothing() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("x.json"), "second edit").unwrap();
        let notebooks = Folder::open(dir.path()).unwrap();
        let temporaries = notebooks.subfolder("tmp").unwrap();
        let left = Temporary::write(&temporaries, "x.json", Some(&Digest::of(b"old")), b"new").unwrap();
        let path = |name: &str| dir.path().join("tmp").join(name);
        fs::write(path(&left.name), "first edit").unwrap();
        let deleted = name_of_deleted("y.json", &Digest::of(b"old"));
        fs::write(path(&deleted), "an edit of what was to be deleted").unwrap();
        fs::write(path(&name_of_deleted("z.json", &Digest::of(b"old"))), "old").unwrap();
        fs::create_dir(path("stray.tmp")).unwrap();
        clean_up(&notebooks, &temporaries, &["x.json".into()]).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("x.json")).unwrap(), "second edit");
        let kept = |name: &str| fs::read_to_string(path(&name.replace(".tmp", ".kept"))).unwrap();
        assert_eq!((&*kept(&left.name), &*kept(&deleted)), ("first edit", "an edit of what was to be deleted"));
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 3);
    }
}
