//! The log of idempotency records.

use std::io;
use std::sync::Arc;

use super::record::Line;
use crate::disk::{AppendLog, Appended, Folder, KnownFile, LogSync};

/// The name of the log, which is older than its present contents.
const NAME: &str = "answers.log";
/// Minimum obsolete bytes before the log is rewritten.
const SPARE_BYTES: u64 = 256 * 1024;

/// The log of idempotency records. Its appends are made durable together, by [`Self::sync`].
#[derive(Debug)]
pub(super) struct Log {
    file: AppendLog,
    /// Bytes of the file after its last rewrite.
    live_bytes: u64,
    appended: u64,
}

impl Log {
    /// Reads all lines but those that a crash cut short or another program damaged.
    pub(super) fn open(folder: Arc<Folder>) -> io::Result<(Self, Vec<Line>)> {
        let (file, bytes) = AppendLog::open_lines(folder, NAME)?;
        let written: Vec<_> = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        let lines: Vec<Line> = written.iter().filter_map(|line| Line::read(line)).collect();
        if lines.len() < written.len() {
            tracing::warn!(
                file = NAME,
                lines = written.len() - lines.len(),
                "damaged idempotency records are left out"
            );
        }
        Ok((Self { file, live_bytes: 0, appended: 0 }, lines))
    }

    /// Appends lines, without waiting for the disk. Returns the number of appends so far; `None` when the file is lost,
    /// and has to be rewritten first. After an error the file is as it was before.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<Option<u64>> {
        if self.file.append(lines)? == Appended::Lost {
            return Ok(None);
        }
        self.appended += 1;
        Ok(Some(self.appended))
    }

    /// The file, when there is one.
    pub(super) fn known(&self) -> Option<KnownFile> {
        self.file.known()
    }

    /// Returns whether another program removed the file, replaced it or cut it short.
    pub(super) fn is_lost(&self) -> bool {
        self.file.is_lost()
    }

    /// Number of appends so far.
    pub(super) fn appended(&self) -> u64 {
        self.appended
    }

    /// Returns a sync of all that has been appended; `None` when the file is lost.
    pub(super) fn sync(&self) -> io::Result<Option<LogSync>> {
        self.file.sync()
    }

    /// Notes that a sync has succeeded.
    pub(super) fn synced(&mut self, sync: &LogSync) {
        self.file.synced(sync);
    }

    /// Returns whether most of the file is obsolete.
    pub(super) fn is_wasteful(&self) -> bool {
        self.file.size() > 2 * self.live_bytes + SPARE_BYTES
    }

    /// Replaces the file by one with these lines alone, durably.
    pub(super) fn rewrite(&mut self, lines: &[u8]) -> io::Result<()> {
        let rewritten = self.file.rewrite(lines);
        // The file is the new one, too, when only the sync of its directory failed.
        if self.file.size() == lines.len() as u64 {
            self.live_bytes = self.file.size();
        }
        rewritten
    }
}
