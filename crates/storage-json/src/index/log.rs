//! The index on disk: one JSON object a line, of which the last of each file is valid. It is only a cache: unreadable lines are
//! ignored, and a failure to write is reported once.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::Entry;
use super::entry::LineV1;
use crate::disk::{AppendLog, Appended, Folder, KnownFile};

const NAME: &str = "index.jsonl";

/// The log of the index. Its appends are never synced: a loss of power may take the newest ones.
#[derive(Debug)]
pub(crate) struct Log {
    file: AppendLog,
    lines: usize,
    /// Set while the last attempt to write failed, so that only the first failure is reported.
    failed: bool,
    /// Set while the last rewrite failed. A lost file is not reported then, so that not every change tries a rewrite again.
    rewrite_failed: bool,
}

impl Log {
    /// Reads the entries.
    pub(crate) fn open(folder: Arc<Folder>) -> io::Result<(Self, BTreeMap<Box<str>, Entry>)> {
        let (file, bytes) = AppendLog::open_lines(folder, NAME)?;
        let mut entries = BTreeMap::new();
        let mut lines = 0;
        for line in bytes.split(|&byte| byte == b'\n') {
            lines += 1;
            // A line may not be ours at all.
            let Ok(line) = serde_json::from_slice::<LineV1<'_>>(line) else { continue };
            match line.into_entry() {
                (file, Some(entry)) => entries.insert(file, entry),
                (file, None) => entries.remove(&file),
            };
        }
        Ok((Self { file, lines, failed: false, rewrite_failed: false }, entries))
    }

    /// Returns the file's identity, if there is a file, by which its removal is noticed.
    pub(crate) fn known(&self) -> Option<KnownFile> {
        if self.rewrite_failed { None } else { self.file.known() }
    }

    /// Returns whether another program removed the file, replaced it or cut it short.
    pub(crate) fn is_lost(&self) -> bool {
        !self.rewrite_failed && self.file.is_lost()
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    /// Appends the entry of a file, or its removal.
    pub(crate) fn append(&mut self, file: &str, entry: Option<&Entry>) {
        self.lines += 1;
        let mut text = Vec::new();
        let written = add_line(&mut text, &LineV1::new(file, entry)).and_then(|()| self.file.append(&text));
        match written {
            Ok(Appended::Written) => (self.failed, self.rewrite_failed) = (false, false),
            // Until all is rewritten, from memory, nothing needs to be appended.
            Ok(Appended::Lost) => {}
            Err(error) => self.report(&error),
        }
    }

    /// Rewrites everything.
    pub(crate) fn rewrite<'a>(&mut self, mut entries: impl Iterator<Item = (&'a str, &'a Entry)>) {
        let mut text = Vec::new();
        let mut lines = 0;
        let written = entries.try_for_each(|(file, entry)| {
            lines += 1;
            add_line(&mut text, &LineV1::new(file, Some(entry)))
        });
        match written.and_then(|()| self.file.rewrite(&text)) {
            Ok(()) => (self.lines, self.failed, self.rewrite_failed) = (lines, false, false),
            Err(error) => {
                self.rewrite_failed = true;
                self.report(&error);
            }
        }
    }

    fn report(&mut self, error: &io::Error) {
        if !self.failed {
            self.failed = true;
            tracing::warn!(%error, "cannot write the index; the next start will read more files");
        }
    }
}

fn add_line(text: &mut Vec<u8>, line: &LineV1<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use quire_domain::{Life, Notebook, NotebookId, Timestamp, UserId};
    use tempfile::TempDir;

    use super::*;
    use crate::digest::Digest;
    use crate::disk::with_room;
    use crate::index::{Content, IndexedNotebook};

    #[test]
    fn a_line_after_one_that_was_cut_short_is_read() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(NAME), "{\"file\":\"w.js").unwrap();
        let folder = Arc::new(Folder::open(dir.path()).unwrap());
        let meta = folder.own_meta().unwrap();
        let (id, owner) = (NotebookId::new("x").unwrap(), UserId::new("ann").unwrap());
        let notebook = Notebook::new(id, Life::UNRECORDED, owner, Timestamp::default());
        let entry = Entry::new(&meta, Some(Digest::of(b"x")), Content::Notebook(IndexedNotebook::written(&notebook)));
        let (mut log, _) = Log::open(Arc::clone(&folder)).unwrap();
        log.append("x.json", Some(&entry));
        with_room(7, || log.append("full.json", Some(&entry)));
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
