//! The log of answers on disk: appended to, and now and then written anew.

use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::RenameFlags;

use super::record::Line;
use crate::disk::{self, Folder, KnownFile, ReadFile};

const NAME: &str = "answers.log";
const NEW_NAME: &str = "answers.log.new";
/// Bytes of what counts no more that are left in the file before it is written anew, at least.
const SPARE_BYTES: u64 = 256 * 1024;

/// The file.
#[derive(Debug)]
pub(super) struct Log {
    folder: Arc<Folder>,
    size: u64,
    /// The file's inode, once it is known.
    inode: Option<u64>,
    /// Bytes of it that counted when they were last looked at.
    live_bytes: u64,
    /// Set when the file may end in the middle of a line, which the next one must not become a part of.
    cut_short: bool,
    /// Set when it is durable that there is such a file.
    pub(super) is_named: bool,
    appended: u64,
}

/// Work that [`Log::syncing`] returns.
pub(super) struct Syncing {
    file: File,
    folder: Option<Arc<Folder>>,
}

impl Syncing {
    /// Returns whether the file's name was made durable too.
    pub(super) fn run(self) -> io::Result<bool> {
        self.file.sync_data()?;
        let Some(folder) = self.folder else { return Ok(false) };
        folder.sync()?;
        Ok(true)
    }
}

impl Log {
    /// Reads all lines that can be read. What a crash has cut short, or somebody damaged, is left out.
    pub(super) fn open(folder: Arc<Folder>) -> io::Result<(Self, Vec<Line>)> {
        let (bytes, inode) = match folder.read(NAME, u64::MAX)? {
            ReadFile::Read(bytes, meta) => (bytes, Some(meta.fingerprint.inode)),
            ReadFile::Missing | ReadFile::NotAFile(_) | ReadFile::TooLarge(_) => (Vec::new(), None),
        };
        let cut_short = bytes.last().is_some_and(|&byte| byte != b'\n');
        let written: Vec<_> = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        let lines: Vec<Line> = written.iter().filter_map(|line| Line::read(line)).collect();
        if lines.len() < written.len() {
            tracing::warn!(
                file = NAME,
                lines = written.len() - lines.len(),
                "answers cut short or damaged are left out"
            );
        }
        let size = bytes.len() as u64;
        Ok((Self { folder, size, inode, live_bytes: 0, cut_short, is_named: false, appended: 0 }, lines))
    }

    /// Appends lines, without waiting for the disk. Returns the number of appends until now; `None` when the file is lost,
    /// and has to be written anew first. When it fails, the file is as it was before.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<Option<u64>> {
        let Some(mut file) = self.folder.open_log(NAME, self.known().as_ref())? else { return Ok(None) };
        let there = disk::meta_of(&file)?.fingerprint;
        let before = there.size;
        self.inode = Some(there.inode);
        let mut text = if self.cut_short && before > 0 { vec![b'\n'] } else { Vec::new() };
        text.extend_from_slice(lines);
        if let Err(error) = disk::append(&mut file, &text) {
            self.cut_short |= file.set_len(before).is_err();
            return Err(error);
        }
        self.cut_short = false;
        self.size = before + text.len() as u64;
        self.appended += 1;
        Ok(Some(self.appended))
    }

    /// The file, once it is known, by which it is noticed that it was removed, replaced or cut short.
    pub(super) fn known(&self) -> Option<KnownFile> {
        self.inode.map(|inode| KnownFile { name: NAME, inode, size: self.size })
    }

    /// Tells that somebody else removed the file, replaced it or cut it short.
    pub(super) fn is_lost(&self) -> bool {
        self.known().is_some_and(|known| self.folder.has_lost(&known))
    }

    /// Number of appends until now.
    pub(super) fn appended(&self) -> u64 {
        self.appended
    }

    /// Returns the work that makes durable all that has been appended, to be run without holding up others; `None` when
    /// the file is lost: to sync another one in its place says nothing about what was appended.
    pub(super) fn syncing(&self) -> io::Result<Option<Syncing>> {
        let Some(file) = self.folder.open_log(NAME, self.known().as_ref())? else { return Ok(None) };
        // A new file's name has to be durable too.
        let folder = (!self.is_named).then(|| Arc::clone(&self.folder));
        Ok(Some(Syncing { file, folder }))
    }

    /// Tells that much of the file counts no more.
    pub(super) fn is_wasteful(&self) -> bool {
        self.size > 2 * self.live_bytes + SPARE_BYTES
    }

    /// Replaces the file by one with these lines alone, durably.
    pub(super) fn rewrite(&mut self, lines: &[u8]) -> io::Result<()> {
        self.folder.remove(NEW_NAME)?;
        let mut file = self.folder.create_file(NEW_NAME)?;
        let written = disk::append(&mut file, lines).and_then(|()| file.sync_all());
        // Until the end, a loss of power may bring the old file back, without what is appended to the new one.
        self.is_named = false;
        let replace = |()| Ok(self.folder.rename(NEW_NAME, &self.folder, NAME, RenameFlags::empty())?);
        if let Err(error) = written.and_then(replace) {
            let _ = self.folder.remove(NEW_NAME); // the next rewriting does it otherwise
            return Err(error);
        }
        self.size = lines.len() as u64;
        self.live_bytes = self.size;
        self.cut_short = false;
        self.inode = Some(disk::meta_of(&file)?.fingerprint.inode);
        self.folder.sync()?;
        self.is_named = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn after_a_rewriting_that_may_not_last_the_name_is_made_durable_with_the_next_lines() {
        let dir = TempDir::new().unwrap();
        let sound = Arc::new(Folder::open(dir.path()).unwrap());
        let (mut log, _) = Log::open(Arc::clone(&sound)).unwrap();
        log.rewrite(b"").unwrap();
        assert!(log.is_named);
        log.folder = Arc::new(Folder::unsyncable(dir.path()));
        log.rewrite(b"").unwrap_err();
        log.append(b"x\n").unwrap().unwrap();
        log.syncing().unwrap().unwrap().run().unwrap_err();
        log.folder = sound;
        log.syncing().unwrap().unwrap().run().unwrap();
    }
}
