//! The index on disk: one JSON object a line, the last line of a file counts. Only a cache: what cannot be read is as if
//! it were not there, and what cannot be written is reported once and done without.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::RenameFlags;

use super::Entry;
use super::entry::LineV1;
use crate::disk::{self, Folder, KnownFile, ReadFile};

const NAME: &str = "index.jsonl";
const NEW_NAME: &str = "index.jsonl.new";

/// The file that remembers the index.
#[derive(Debug)]
pub(crate) struct Log {
    folder: Arc<Folder>,
    file: Option<File>,
    /// The file's inode, once it is known.
    inode: Option<u64>,
    lines: usize,
    /// Set when the file may end in the middle of a line, which the next one must not become a part of.
    cut_short: bool,
    failed: bool,
}

impl Log {
    /// Reads what is remembered.
    pub(crate) fn open(folder: Arc<Folder>) -> io::Result<(Self, BTreeMap<Box<str>, Entry>)> {
        let mut entries = BTreeMap::new();
        let mut lines = 0;
        let mut cut_short = false;
        let mut inode = None;
        if let ReadFile::Read(bytes, meta) = folder.read(NAME, u64::MAX)? {
            inode = Some(meta.fingerprint.inode);
            cut_short = bytes.last().is_some_and(|&byte| byte != b'\n');
            for line in bytes.split(|&byte| byte == b'\n') {
                lines += 1;
                // A line may be cut short by a crash, or not be ours at all.
                let Ok(line) = serde_json::from_slice::<LineV1<'_>>(line) else { continue };
                match line.into_entry() {
                    (file, Some(entry)) => entries.insert(file, entry),
                    (file, None) => entries.remove(&file),
                };
            }
        }
        Ok((Self { folder, file: None, inode, lines, cut_short, failed: false }, entries))
    }

    /// The file, once it is known, by which it is noticed that it was removed or replaced.
    pub(crate) fn known(&self) -> Option<KnownFile> {
        self.inode.map(|inode| KnownFile { name: NAME, inode, size: 0 })
    }

    /// Tells that the file was removed or replaced by somebody else.
    pub(crate) fn is_lost(&self) -> bool {
        self.known().is_some_and(|known| self.folder.has_lost(&known))
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    /// Remembers a file, or that it is gone.
    pub(crate) fn append(&mut self, file: &str, entry: Option<&Entry>) {
        self.lines += 1;
        let done = self.try_append(&LineV1::new(file, entry));
        self.report(done);
    }

    fn try_append(&mut self, line: &LineV1<'_>) -> io::Result<()> {
        let mut text = if self.cut_short { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        let known = self.known();
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                // A new file in the place of one that was removed would hold this line alone, and not be missed any more.
                // Until all is written anew, from memory, nothing needs to be appended.
                let Some(file) = self.folder.open_log(NAME, known.as_ref())? else { return Ok(()) };
                self.inode = Some(disk::meta_of(&file)?.fingerprint.inode);
                none.insert(file)
            }
        };
        // One call, so that a crash cuts at most this line short.
        let done = disk::append(file, &text);
        self.cut_short = done.is_err(); // a full disk may have taken a part
        done
    }

    /// Writes everything anew.
    pub(crate) fn rewrite<'a>(&mut self, entries: impl Iterator<Item = (&'a str, &'a Entry)>) {
        // While it is not known which file there is, none is missed: what cannot be written is tried once.
        (self.file, self.inode) = (None, None);
        let done = self.try_rewrite(entries);
        self.report(done);
    }

    fn try_rewrite<'a>(&mut self, entries: impl Iterator<Item = (&'a str, &'a Entry)>) -> io::Result<()> {
        let mut text = Vec::new();
        let mut lines = 0;
        for (file, entry) in entries {
            serde_json::to_writer(&mut text, &LineV1::new(file, Some(entry)))?;
            text.push(b'\n');
            lines += 1;
        }
        self.folder.remove(NEW_NAME)?;
        let mut file = self.folder.create_file(NEW_NAME)?;
        disk::append(&mut file, &text)?;
        file.sync_all()?;
        self.folder.rename(NEW_NAME, &self.folder, NAME, RenameFlags::empty())?;
        self.inode = Some(disk::meta_of(&file)?.fingerprint.inode);
        self.lines = lines;
        self.cut_short = false;
        Ok(())
    }

    fn report(&mut self, done: io::Result<()>) {
        match done {
            Ok(()) => self.failed = false,
            Err(error) if !self.failed => {
                self.failed = true;
                tracing::warn!(%error, "cannot write the index; the next start will read more files");
            }
            Err(_again) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use quire_domain::{Life, Notebook, NotebookId, Timestamp, UserId};
    use tempfile::TempDir;

    use super::*;
    use crate::digest::Digest;
    use crate::index::{Content, Known};

    #[test]
    fn a_line_after_one_that_was_cut_short_is_read() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(NAME), "{\"file\":\"w.js").unwrap();
        let folder = Arc::new(Folder::open(dir.path()).unwrap());
        let meta = folder.own_meta().unwrap();
        let (id, owner) = (NotebookId::new("x").unwrap(), UserId::new("ann").unwrap());
        let notebook = Notebook::new(id, Life::UNRECORDED, owner, Timestamp::default());
        let entry = Entry::new(&meta, Some(Digest::of(b"x")), Content::Notebook(Known::written(&notebook)));
        let (mut log, _) = Log::open(Arc::clone(&folder)).unwrap();
        log.append("x.json", Some(&entry));
        // As if the disk had been full.
        fs::write(dir.path().join(NAME), [&*fs::read(dir.path().join(NAME)).unwrap(), b"{\"file\":"].concat()).unwrap();
        log.cut_short = true;
        log.append("y.json", Some(&entry));
        log.append("z.json", Some(&entry));
        let (_, entries) = Log::open(folder).unwrap();
        assert_eq!(entries.keys().map(|file| &**file).collect::<Vec<_>>(), ["x.json", "y.json", "z.json"]);
    }

    /// A new file with the one line would pass for the whole.
    #[test]
    fn a_file_that_was_removed_stays_missed_until_it_is_written_anew() {
        let dir = TempDir::new().unwrap();
        let folder = Arc::new(Folder::open(dir.path()).unwrap());
        Log::open(Arc::clone(&folder)).unwrap().0.append("x.json", None);
        let (mut log, _) = Log::open(folder).unwrap();
        fs::remove_file(dir.path().join(NAME)).unwrap();
        log.append("y.json", None);
        assert!(log.is_lost());
        log.rewrite(std::iter::empty());
        log.append("y.json", None);
        assert!(!log.is_lost() && !log.failed);
    }
}
