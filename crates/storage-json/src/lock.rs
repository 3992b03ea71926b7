//! The lock that admits one server to a directory.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::OpenError;
use crate::disk::{Folder, KnownFile, meta_of};

const NAME: &str = "lock";

/// The lock file, open and locked.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    inode: u64,
}

impl LockFile {
    /// Returns the file's identity, by which its removal is noticed.
    pub(crate) fn known(&self) -> KnownFile {
        KnownFile { name: NAME.into(), inode: self.inode, size: 0 }
    }

    /// Releases the lock.
    pub(crate) fn unlock(&self) {
        let _ = self.file.unlock(); // closing does it otherwise
    }
}

/// Takes the lock, which the returned file holds until it is closed; the operating system releases it when the
/// process dies. The file stays: removing it would let two servers lock two files of one name.
///
/// The directory itself is locked as well, until it is unlocked or closed: the lock file may be removed while it is held,
/// and then the next server would make, and lock, another one.
pub(crate) fn take(folder: &Folder, notebooks: &Folder, dir: &Path) -> Result<LockFile, OpenError> {
    let failed = |source| OpenError::Io { dir: dir.to_owned(), action: "take the lock", source };
    let mut file = folder.open_file(NAME, OFlags::RDWR | OFlags::CREATE).map_err(failed)?;
    // Some network file systems cannot lock a directory; then the file alone has to do.
    let locked = file.try_lock().and_then(|()| match notebooks.try_lock() {
        Err(Errno::WOULDBLOCK) => Err(TryLockError::WouldBlock),
        Ok(()) | Err(_) => Ok(()),
    });
    match locked {
        Ok(()) => {
            // For the message that the next one gets. It holds without it too.
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
            let inode = meta_of(&file).map_err(failed)?.fingerprint.inode;
            Ok(LockFile { file, inode })
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            Err(OpenError::InUse { dir: dir.to_owned(), pid: text.trim().parse().ok() })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
