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

/// Maximum bytes of memory reserved before a file is read.
const MAX_RESERVED_BYTES: u64 = 64 << 20;

/// A directory held open.
#[derive(Debug)]
pub(crate) struct Folder(RwLock<Arc<OpenFolder>>);

#[derive(Debug)]
pub(super) struct OpenFolder {
    pub(super) fd: OwnedFd,
    /// The device and the inode. No other directory gets the same while this one is open.
    identity: (u64, u64),
}

/// Result of reading a directory entry.
pub(crate) enum ReadFile {
    Missing,
    /// Not a regular file; not opened, since a FIFO would wait for a writer and a link would lead elsewhere.
    NotAFile(Meta),
    /// Larger than the limit.
    TooLarge(Meta),
    /// The content, and the state before it was read, so that a change meanwhile is noticed later.
    Read(Vec<u8>, Meta),
}

impl Folder {
    /// Opens a directory. Creates it, readable by its owner only, if it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let open = |path: &Path| fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        // Otherwise a loss of power could take a directory that was just created, with everything made durable in it.
        for parent in missing.iter().filter_map(|path| path.parent()) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            fs::fsync(open(parent)?)?;
        }
        Self::of(open(path)?)
    }

    /// Opens an existing directory, for reading.
    pub(crate) fn existing(path: &Path) -> io::Result<Self> {
        Self::of(fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Opens a directory in which everything works except a sync.
    #[cfg(test)]
    pub(crate) fn unsyncable(path: &Path) -> Self {
        Self::of(fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH, Mode::empty()).unwrap()).unwrap()
    }

    fn of(fd: OwnedFd) -> io::Result<Self> {
        let identity = identity(&fs::fstat(&fd)?);
        Ok(Self(RwLock::new(Arc::new(OpenFolder { fd, identity }))))
    }

    /// Returns the directory that is open now; another one may be opened in its place meanwhile.
    pub(super) fn open_now(&self) -> Arc<OpenFolder> {
        Arc::clone(&self.0.read())
    }

    /// Returns whether a path leads to this directory; also if the file system does not tell.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        is_same(&fs::stat(path), &self.open_now())
    }

    /// Returns whether this directory is the entry of this name in another one; also if the file system does not
    /// tell.
    pub(crate) fn is_in(&self, parent: &Self, name: &str) -> bool {
        let found = fs::statat(&parent.open_now().fd, name, AtFlags::SYMLINK_NOFOLLOW);
        is_same(&found, &self.open_now())
    }

    /// Switches to the directory that has this name in another one. Creates it if it is missing.
    pub(crate) fn reopen(&self, parent: &Self, name: &str) -> io::Result<()> {
        let found = parent.subfolder(name)?.open_now();
        *self.0.write() = found;
        Ok(())
    }

    /// Returns whether a file is no longer in this directory under its name: it was removed, replaced or cut short. If the file
    /// system does not tell, it counts as present.
    pub(crate) fn has_lost(&self, file: &KnownFile) -> bool {
        self.meta(&file.name).is_ok_and(|meta| meta.is_none_or(|meta| !file.is(&meta.fingerprint)))
    }

    /// Opens a directory in this one. Creates it if it is missing.
    pub(crate) fn subfolder(&self, name: &str) -> io::Result<Self> {
        match fs::mkdirat(&self.open_now().fd, name, Mode::RWXU) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::of(fs::openat(&self.open_now().fd, name, flags, Mode::empty())?)
    }

    /// Opens a file with these flags.
    pub(crate) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(fs::openat(&self.open_now().fd, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Creates a file, readable by its owner only.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Returns the state of an entry, of a link itself, or `None` if there is no such entry.
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
        // Limited, because a sparse file's size is not backed by data.
        let capacity = meta.fingerprint.size.min(MAX_RESERVED_BYTES) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(capacity).unwrap_or_default());
        // It may be growing.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(if bytes.len() as u64 > limit { ReadFile::TooLarge(meta) } else { ReadFile::Read(bytes, meta) })
    }

    /// Returns the names of all entries but `.` and `..`, in no order; names that are not UTF-8 with replacement characters.
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

    /// Removes a file. Returns whether it existed.
    pub(crate) fn remove(&self, name: &str) -> io::Result<bool> {
        match fs::unlinkat(&self.open_now().fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.open_now().fd)?)
    }

    /// Returns the state of the directory itself.
    pub(crate) fn own_meta(&self) -> io::Result<Meta> {
        Ok(Meta::from(&fs::fstat(&self.open_now().fd)?))
    }

    /// Locks the directory, unless another process, or this one by another handle, has it locked.
    pub(crate) fn try_lock(&self) -> Result<(), Errno> {
        fs::flock(&self.open_now().fd, FlockOperation::NonBlockingLockExclusive)
    }

    /// Releases the lock, if it is held.
    pub(crate) fn unlock(&self) {
        let _ = fs::flock(&self.open_now().fd, FlockOperation::Unlock); // closing does it otherwise
    }
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
    /// The name with replacement characters, if it is not UTF-8.
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

/// Returns the state of an open file.
pub(crate) fn meta_of(file: &File) -> io::Result<Meta> {
    Ok(Meta::from(&fs::fstat(file)?))
}
