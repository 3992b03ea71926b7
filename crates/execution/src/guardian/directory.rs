//! The size of a kernel's directory, and its removal.

use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Maximum number of files that are looked at.
const MAX_FILES: usize = 20_000;
/// Maximum bytes of a path that is looked at. The system opens none that is longer than 4,096.
const MAX_PATH_BYTES: usize = 3_800;
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Returns the bytes that the files of a directory take on the disk; `None` if it has too many, or too deep ones, to look at.
pub(super) fn size_bytes(directory: &Path) -> Option<u64> {
    let mut directories = vec![directory.to_owned()];
    let (mut bytes, mut files) = (0, 0);
    while let Some(directory) = directories.pop() {
        if directory.as_os_str().len() > MAX_PATH_BYTES {
            return None;
        }
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            // That of a link itself.
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            if files > MAX_FILES {
                return None;
            }
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Some(bytes)
}

/// Removes a directory with all that is in it, which code has made that may mean harm: each level is moved up before it is emptied, so that
/// neither memory nor open files grow with the depth. No link is followed.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    let top = match open(CWD, directory) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    let mut moved = 0_u64;
    // Each round empties the directories that it finds, and moves what is in them up for the next one.
    while has_entries(&top, |name| clear(&top, name, &mut moved))? {}
    Ok(unlinkat(CWD, directory, AtFlags::REMOVEDIR)?)
}

/// Removes an entry of the top directory. The directories below it become entries of the top directory.
fn clear(top: &OwnedFd, name: &CStr, moved: &mut u64) -> rustix::io::Result<()> {
    if is_unlinked(top, name)? {
        return Ok(());
    }
    let directory = open(top, name)?;
    has_entries(&directory, |below| {
        if is_unlinked(&directory, below)? {
            return Ok(());
        }
        // What is moved must be writable, since its `..` changes.
        open(&directory, below)?;
        loop {
            *moved += 1;
            let free = CString::new(format!(".removed-{moved}")).unwrap_or_default();
            match renameat(&directory, below, top, &free) {
                // The code has made one with this name.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => {}
                outcome => return outcome,
            }
        }
    })?;
    unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// Unlinks an entry; `false` if it is a directory that is not empty.
fn is_unlinked(directory: &OwnedFd, name: &CStr) -> rustix::io::Result<bool> {
    let unlinked = match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => unlinkat(directory, name, AtFlags::REMOVEDIR),
        outcome => outcome,
    };
    match unlinked {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Does something with each entry of a directory, and returns `true` if there was one.
fn has_entries(directory: &OwnedFd, mut each: impl FnMut(&CStr) -> rustix::io::Result<()>) -> rustix::io::Result<bool> {
    let mut found = false;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found = true;
            each(entry.file_name())?;
        }
    }
    Ok(found)
}

/// Opens a directory, and takes the right to change it if its mode withholds that.
fn open(parent: impl std::os::fd::AsFd, name: impl rustix::path::Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let place = openat(&parent, name, DIRECTORY | OFlags::PATH, Mode::empty())?;
    // Through the open directory: the name could be a link by now.
    let _ = fs::set_permissions(format!("/proc/self/fd/{}", place.as_raw_fd()), Permissions::from_mode(0o700));
    openat(&place, c".", DIRECTORY | OFlags::RDONLY, Mode::empty())
}

#[cfg(test)]
mod tests {
    use rustix::fs::mkdirat;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_tree_of_any_depth_and_mode_is_removed_and_nothing_beside_it() {
        let folder = TempDir::new().unwrap();
        let (top, beside) = (folder.path().join("top"), folder.path().join("beside"));
        fs::create_dir(&top).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("kept"), "").unwrap();
        std::os::unix::fs::symlink(&beside, top.join("link")).unwrap();
        fs::create_dir(top.join(".removed-1")).unwrap();
        fs::write(top.join(".removed-2"), "").unwrap();
        for name in ["a", "b"] {
            let mut at = open(CWD, &top).unwrap();
            for depth in 0..20_000 {
                mkdirat(&at, name, Mode::from_raw_mode(0o700)).unwrap();
                at = open(&at, name).unwrap();
                if depth % 1000 == 0 {
                    openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::empty()).unwrap();
                    mkdirat(&at, "closed", Mode::empty()).unwrap();
                    mkdirat(&at, "other", Mode::from_raw_mode(0o500)).unwrap();
                }
            }
        }
        assert_eq!(size_bytes(&top), None);
        remove(&top).unwrap();
        assert!(!top.exists() && beside.join("kept").exists());
        remove(&top).unwrap();
    }
}
