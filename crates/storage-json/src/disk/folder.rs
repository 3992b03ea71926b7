//! A directory held open: names in it are looked up there and nowhere else, even when it is moved or replaced, until it is
//! opened again by its name.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use rustix::fs::{self, AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::{Kind, KnownFile, Meta};

/// Memory that is set aside before a file is read, at most.
const MAX_RESERVED: u64 = 64 << 20;

/// A directory held open.
#[derive(Debug)]
pub(crate) struct Folder(RwLock<Arc<OpenFolder>>);

#[derive(Debug)]
struct OpenFolder {
    fd: OwnedFd,
    /// The device and the inode. No other directory gets the same while this one is open.
    identity: (u64, u64),
}

/// Result of reading a directory entry.
pub(crate) enum ReadFile {
    Missing,
    /// Not a regular file; not opened, since a FIFO would wait for a writer and a link would lead elsewhere.
    NotAFile(Meta),
    /// Larger than the reader takes.
    TooLarge(Meta),
    /// The state is that of before the reading, so that whatever changes meanwhile is noticed later.
    Read(Vec<u8>, Meta),
}

impl Folder {
    /// Opens a directory, making it, readable by its owner only, when it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let open = |path: &Path| fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        // Else a loss of power could take a directory that was just made, with all that was made durable in it.
        for parent in missing.iter().filter_map(|path| path.parent()) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            fs::fsync(open(parent)?)?;
        }
        Self::of(open(path)?)
    }

    /// Opens a directory that is there, for reading in it.
    pub(crate) fn existing(path: &Path) -> io::Result<Self> {
        Self::of(fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// A directory in which everything works but making it durable.
    #[cfg(test)]
    pub(crate) fn unsyncable(path: &Path) -> Self {
        Self::of(fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH, Mode::empty()).unwrap()).unwrap()
    }

    fn of(fd: OwnedFd) -> io::Result<Self> {
        let identity = identity(&fs::fstat(&fd)?);
        Ok(Self(RwLock::new(Arc::new(OpenFolder { fd, identity }))))
    }

    /// The directory that is open now; another one may be opened in its place meanwhile.
    fn open_now(&self) -> Arc<OpenFolder> {
        Arc::clone(&self.0.read())
    }

    /// Tells whether a path leads to this directory. Where the file system does not say, it is taken to.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        is_same(&fs::stat(path), &self.open_now())
    }

    /// Tells whether this directory is the one that has this name in another one. Where the file system does not say, it is taken
    /// to be.
    pub(crate) fn is_in(&self, parent: &Self, name: &str) -> bool {
        let found = fs::statat(&parent.open_now().fd, name, AtFlags::SYMLINK_NOFOLLOW);
        is_same(&found, &self.open_now())
    }

    /// Opens the directory that has this name in another one from now on, making it when it is missing.
    pub(crate) fn reopen(&self, parent: &Self, name: &str) -> io::Result<()> {
        let found = parent.subfolder(name)?.open_now();
        *self.0.write() = found;
        Ok(())
    }

    /// Tells that a file is no more in this directory under its name: it was removed, another one has its place, or it was
    /// cut short. Where the file system does not say, it is taken to be there.
    pub(crate) fn has_lost(&self, file: &KnownFile) -> bool {
        self.meta(&file.name).is_ok_and(|meta| meta.is_none_or(|meta| !file.is(&meta.fingerprint)))
    }

    /// Opens a directory in this one, making it when it is missing.
    pub(crate) fn subfolder(&self, name: &str) -> io::Result<Self> {
        match fs::mkdirat(&self.open_now().fd, name, Mode::RWXU) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::of(fs::openat(&self.open_now().fd, name, flags, Mode::empty())?)
    }

    /// Opens a file for writing and reading, making it when it is missing.
    pub(crate) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(fs::openat(&self.open_now().fd, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Makes a new file, readable by its owner only.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// The state of an entry, of a link itself, or `None` when there is no such entry.
    pub(crate) fn meta(&self, name: &str) -> io::Result<Option<Meta>> {
        match fs::statat(&self.open_now().fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Meta::from(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a regular file of at most `limit` bytes.
    pub(crate) fn read(&self, name: &str, limit: u64) -> io::Result<ReadFile> {
        let file = match self.open_file(name, OFlags::RDONLY) {
            Ok(file) => file,
            Err(error) => {
                return match (error.kind(), self.meta(name)?) {
                    (_, None) => Ok(ReadFile::Missing),
                    (_, Some(meta)) if meta.kind != Kind::File => Ok(ReadFile::NotAFile(meta)),
                    _ => Err(error),
                };
            }
        };
        let meta = meta_of(&file)?;
        if meta.kind != Kind::File {
            return Ok(ReadFile::NotAFile(meta));
        }
        if meta.fingerprint.size > limit {
            return Ok(ReadFile::TooLarge(meta));
        }
        // Only so much on the word of the file's size, which need not be backed by anything.
        let capacity = meta.fingerprint.size.min(MAX_RESERVED) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(capacity).unwrap_or_default());
        // It may be growing.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(if bytes.len() as u64 > limit { ReadFile::TooLarge(meta) } else { ReadFile::Read(bytes, meta) })
    }

    /// The names of all entries but `.` and `..`, in no order; names that are not UTF-8 with replacement characters.
    pub(crate) fn names(&self) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.open_now().fd)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                bytes => names.push(match std::str::from_utf8(bytes) {
                    Ok(name) => Name::Text(name.to_owned()),
                    Err(_not_utf8) => Name::NotText(String::from_utf8_lossy(bytes).into_owned()),
                }),
            }
        }
        Ok(names)
    }

    /// Renames within or between directories.
    pub(crate) fn rename(&self, from: &str, to_folder: &Self, to: &str, flags: RenameFlags) -> Result<(), Errno> {
        fs::renameat_with(&self.open_now().fd, from, &to_folder.open_now().fd, to, flags)
    }

    /// Gives a file a second name.
    pub(crate) fn link(&self, from: &str, to_folder: &Self, to: &str) -> Result<(), Errno> {
        fs::linkat(&self.open_now().fd, from, &to_folder.open_now().fd, to, AtFlags::empty())
    }

    /// Removes a file; says whether it was there.
    pub(crate) fn remove(&self, name: &str) -> io::Result<bool> {
        match fs::unlinkat(&self.open_now().fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.open_now().fd)?)
    }

    /// The state of the directory itself.
    pub(crate) fn own_meta(&self) -> io::Result<Meta> {
        Ok(Meta::from(&fs::fstat(&self.open_now().fd)?))
    }

    /// Tells whether it is still linked into the file system and can be read.
    pub(crate) fn can_be_read(&self) -> bool {
        fs::fstat(&self.open_now().fd).is_ok_and(|stat| stat.st_nlink > 0)
            && fs::accessat(&self.open_now().fd, ".", fs::Access::READ_OK | fs::Access::EXEC_OK, AtFlags::empty())
                .is_ok()
    }

    /// Locks the directory, unless another process, or this one by another handle, has it locked.
    pub(crate) fn try_lock(&self) -> Result<(), Errno> {
        fs::flock(&self.open_now().fd, FlockOperation::NonBlockingLockExclusive)
    }

    /// Lets go of the lock, if it is held.
    pub(crate) fn unlock(&self) {
        let _ = fs::flock(&self.open_now().fd, FlockOperation::Unlock); // closing does it otherwise
    }

    /// Tells whether new files can be made in it: it is still linked into the file system, may be written and there is room, in blocks and in files.
    pub(crate) fn can_be_written(&self) -> bool {
        fs::fstat(&self.open_now().fd).is_ok_and(|stat| stat.st_nlink > 0)
            && fs::accessat(&self.open_now().fd, ".", fs::Access::WRITE_OK | fs::Access::EXEC_OK, AtFlags::empty())
                .is_ok()
            && fs::fstatvfs(&self.open_now().fd).is_ok_and(|space| has_room(&space))
    }
}

/// Tells whether a file system takes new files: writable, with blocks and inodes left for an ordinary user.
fn has_room(space: &fs::StatVfs) -> bool {
    // Some file systems count no files, and say 0 of 0.
    !space.f_flag.contains(fs::StatVfsMountFlags::RDONLY)
        && space.f_bavail > 0
        && (space.f_files == 0 || space.f_favail > 0)
}

fn identity(stat: &fs::Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn is_same(found: &Result<fs::Stat, Errno>, open: &OpenFolder) -> bool {
    match found {
        Ok(stat) => identity(stat) == open.identity,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => false,
        Err(_) => true,
    }
}

/// An entry's name.
pub(crate) enum Name {
    Text(String),
    /// Not UTF-8; as near as can be shown.
    NotText(String),
}

/// Writes at the end of a file. A write beyond the process's limit of file sizes is refused here: the system would send
/// a signal with its refusal, which ends a process that is not prepared for it.
pub(crate) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let size = file.metadata()?.len() + bytes.len() as u64;
    if getrlimit(Resource::Fsize).current.is_some_and(|limit| size > limit) {
        return Err(Errno::FBIG.into());
    }
    #[cfg(test)]
    super::room::take(file, bytes)?;
    file.write_all(bytes)
}

/// The state of an open file.
pub(crate) fn meta_of(file: &File) -> io::Result<Meta> {
    Ok(Meta::from(&fs::fstat(file)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_system_has_no_room() {
        let check = |blocks: (u64, u64), files: (u64, u64), flags| {
            has_room(&fs::StatVfs {
                f_bsize: 4_096,
                f_frsize: 4_096,
                f_blocks: 100,
                f_bfree: blocks.0,
                f_bavail: blocks.1,
                f_files: files.0,
                f_ffree: files.1,
                f_favail: files.1,
                f_fsid: 0,
                f_flag: flags,
                f_namemax: 255,
            })
        };
        let none = fs::StatVfsMountFlags::empty();
        assert!(check((1, 1), (10, 1), none));
        assert!(check((1, 1), (0, 0), none), "files are not counted there");
        assert!(!check((0, 0), (10, 1), none));
        assert!(!check((5, 0), (10, 1), none), "what is left is for the superuser");
        assert!(!check((1, 1), (10, 0), none), "no inodes are left");
        assert!(!check((1, 1), (10, 1), fs::StatVfsMountFlags::RDONLY));
    }
}
