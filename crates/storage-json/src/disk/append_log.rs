//! An append-only log in one file.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::{OFlags, RenameFlags};

use super::folder::{append, meta_of};
use super::{Fingerprint, Folder, KnownFile, ReadFile};

/// Suffix of the name under which a log is rewritten.
pub(crate) const NEW: &str = ".new";

/// An append-only log in one file, of which only the first [`Self::size`] bytes are valid. One process writes at a time, which
/// the directory's lock ensures, and only through this type.
///
/// # Durability
///
/// [`Self::append`] survives the death of the process, but not a loss of power until a [`LogSync`] taken afterwards has
/// run. [`Self::append_durably`], [`Self::cut_back`], [`Self::rewrite`] and [`Self::remove`] are durable when they return.
/// The file's name is made durable with the first sync of a process, and again after a rewrite whose sync of the directory
/// failed: a loss of power could otherwise take a new file with all that was synced in it, or bring the old one back.
///
/// | the process dies | is found at the next start |
/// | --- | --- |
/// | during an append, or after one that failed | the log as it was, perhaps with a torn tail, which [`Self::open_lines`] leaves out and the next append cuts off; the caller of [`Self::open`] recognises one by its records, and rewrites the log without it |
/// | during a rewrite, before the rename | the old file, whole, and a file that ends in [`NEW`], which counts for nothing and is replaced by the next rewrite |
/// | after the rename, before the directory is synced | the new file; after a loss of power the old or the new one, which say the same, for nothing is appended durably before the name is durable |
///
/// # Other programs
///
/// A file that another program removed, replaced or cut short is lost: nothing is appended to what has its place, which
/// would pass for the whole. [`Self::rewrite`] makes it again.
#[derive(Debug)]
pub(crate) struct AppendLog {
    folder: Arc<Folder>,
    name: Cow<'static, str>,
    /// The file's inode; `None` while there is no file.
    inode: Option<u64>,
    size: u64,
    /// Set when it is durable that the file has its name.
    is_named: bool,
}

/// Result of appending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Appended {
    Written,
    /// The file is lost, and nothing was written.
    Lost,
}

/// A sync of all that was appended to a log until it was taken.
#[derive(Debug)]
pub(crate) struct LogSync {
    file: File,
    inode: u64,
    /// The directory, where the file's name has to be made durable too.
    folder: Option<Arc<Folder>>,
}

impl LogSync {
    /// Syncs the file. [`AppendLog::synced`] must follow.
    pub(crate) fn run(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.folder.as_ref().map_or(Ok(()), |folder| folder.sync())
    }
}

impl AppendLog {
    /// A log without a file.
    pub(crate) fn new(folder: Arc<Folder>, name: Cow<'static, str>) -> Self {
        Self { folder, name, inode: None, size: 0, is_named: false }
    }

    /// Reads a log. A log that is no regular file counts as empty.
    pub(crate) fn open(folder: Arc<Folder>, name: Cow<'static, str>) -> io::Result<(Self, Vec<u8>)> {
        let mut log = Self::new(folder, name);
        let bytes = match log.folder.read(&log.name, u64::MAX)? {
            ReadFile::Read(bytes, meta) => {
                log.inode = Some(meta.fingerprint.inode);
                bytes
            }
            ReadFile::Missing | ReadFile::NotAFile(_) | ReadFile::TooLarge(_) => Vec::new(),
        };
        log.size = bytes.len() as u64;
        Ok((log, bytes))
    }

    /// Switches to the file that has the name now, after the one before was lost, and reads it.
    pub(crate) fn reopen(&mut self) -> io::Result<Vec<u8>> {
        let (log, bytes) = Self::open(Arc::clone(&self.folder), self.name.clone())?;
        *self = log;
        Ok(bytes)
    }

    /// Reads a log of lines, without a last one that has no end.
    pub(crate) fn open_lines(folder: Arc<Folder>, name: &'static str) -> io::Result<(Self, Vec<u8>)> {
        let (mut log, mut bytes) = Self::open(folder, name.into())?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            tracing::warn!(file = name, bytes = bytes.len() - whole, "a line that was cut short is left out");
            bytes.truncate(whole);
            log.size = whole as u64;
        }
        Ok((log, bytes))
    }

    /// Reads the valid bytes.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        Ok(match self.folder.read(&self.name, u64::MAX)? {
            ReadFile::Read(mut bytes, _) => {
                bytes.truncate(usize::try_from(self.size).unwrap_or(usize::MAX));
                bytes
            }
            ReadFile::Missing | ReadFile::NotAFile(_) | ReadFile::TooLarge(_) => Vec::new(),
        })
    }

    /// Number of valid bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the file's identity, if there is a file.
    pub(crate) fn known(&self) -> Option<KnownFile> {
        self.inode.map(|inode| KnownFile { name: self.name.clone(), inode, size: self.size })
    }

    /// Returns whether another program removed the file, replaced it or cut it short.
    pub(crate) fn is_lost(&self) -> bool {
        self.known().is_some_and(|known| self.folder.has_lost(&known))
    }

    /// Appends bytes without a sync. After an error the log is as it was before.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<Appended> {
        Ok(self.write(bytes)?.map_or(Appended::Lost, |_file| Appended::Written))
    }

    /// Appends bytes durably. After an error the log is as it was before.
    pub(crate) fn append_durably(&mut self, bytes: &[u8]) -> io::Result<Appended> {
        let before = self.size;
        let Some((file, inode)) = self.write(bytes)? else { return Ok(Appended::Lost) };
        let sync = self.sync_of(file, inode);
        if let Err(error) = sync.run() {
            self.size = before;
            let _ = sync.file.set_len(before); // the next append does it otherwise
            return Err(error);
        }
        self.synced(&sync);
        Ok(Appended::Written)
    }

    /// Returns a sync of all that has been appended, to be run without a lock; `None` when the file is lost: a sync of another file in
    /// its place would not make the appended bytes durable.
    pub(crate) fn sync(&self) -> io::Result<Option<LogSync>> {
        Ok(self.open_known()?.map(|(file, there)| self.sync_of(file, there.inode)))
    }

    /// Notes that a sync has succeeded.
    pub(crate) fn synced(&mut self, sync: &LogSync) {
        // Another file may have the name since; this one's inode is not given to it while the sync has it open.
        self.is_named |= sync.folder.is_some() && self.inode == Some(sync.inode);
    }

    /// Truncates the log to its first `size` bytes, durably.
    pub(crate) fn cut_back(&mut self, size: u64) -> io::Result<()> {
        let Some((file, there)) = self.open_known()? else {
            return Err(io::Error::other(format!("{} was removed by another program", self.name)));
        };
        if there.size > size {
            file.set_len(size)?;
            file.sync_data()?;
        }
        self.size = size;
        Ok(())
    }

    /// Replaces the file by one with these bytes alone, durably. When that fails, either the old or the new file is in place.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new_name = format!("{}{NEW}", self.name);
        self.folder.remove(&new_name)?; // a crash may have left one
        let mut file = self.folder.create_file(&new_name)?;
        // Synced before the rename, else a loss of power could leave the name with an empty file.
        let written = append(&mut file, bytes).and_then(|()| file.sync_all()).and_then(|()| meta_of(&file));
        let replaced = written.and_then(|meta| {
            self.folder.rename(&new_name, &self.folder, &self.name, RenameFlags::empty())?;
            Ok(meta.fingerprint.inode)
        });
        match replaced {
            Ok(inode) => (self.inode, self.size, self.is_named) = (Some(inode), bytes.len() as u64, false),
            Err(error) => {
                let _ = self.folder.remove(&new_name); // the next rewrite does it otherwise
                return Err(error);
            }
        }
        self.folder.sync()?;
        self.is_named = true;
        Ok(())
    }

    /// Removes the file, durably.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let was_there = self.folder.remove(&self.name)?;
        (self.inode, self.size, self.is_named) = (None, 0, false);
        if was_there { self.folder.sync() } else { Ok(()) }
    }

    /// Truncates the file to the valid bytes and appends; returns the file and its inode, or `None` when it is lost.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<(File, u64)>> {
        let Some((mut file, there)) = self.open_known()? else { return Ok(None) };
        if there.size > self.size {
            file.set_len(self.size)?;
        }
        self.inode = Some(there.inode);
        // One call, so that a crash tears at most these bytes.
        if let Err(error) = append(&mut file, bytes) {
            let _ = file.set_len(self.size); // the next append does it otherwise
            return Err(error);
        }
        self.size += bytes.len() as u64;
        Ok(Some((file, there.inode)))
    }

    fn sync_of(&self, file: File, inode: u64) -> LogSync {
        LogSync { file, inode, folder: (!self.is_named).then(|| Arc::clone(&self.folder)) }
    }

    /// Opens the file for appending; `None` when it is lost. While there is none, it is made.
    fn open_known(&self) -> io::Result<Option<(File, Fingerprint)>> {
        let flags = OFlags::WRONLY | OFlags::APPEND;
        let known = self.known();
        let file = match self.folder.open_file(&self.name, if known.is_some() { flags } else { flags | OFlags::CREATE })
        {
            Err(error) if known.is_some() && error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let there = meta_of(&file)?.fingerprint;
        Ok(known.is_none_or(|known| known.is(&there)).then_some((file, there)))
    }
}

#[cfg(test)]
mod tests;
