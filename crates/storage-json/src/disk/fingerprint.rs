//! The state of a file in the file system, by which a change is noticed without reading the file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quire_domain::Timestamp;
use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

/// Time within which two changes may get the same timestamp: file systems take timestamps from the kernel's tick, which is at
/// most 10 ms long.
const TICK: Duration = Duration::from_millis(50);

/// The first second of the year 0 and the last one of the year 9999.
const YEAR_0: i64 = -62_167_219_200;
const YEAR_9999: i64 = 253_402_300_799;

/// The identity and the timestamps of a file. It differs after every change, except after one within the same tick of the
/// kernel's clock: see [`Meta::settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) inode: u64,
    pub(crate) size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

impl Fingerprint {
    /// Returns the time of the last change of the content, within the years 0 to 9999 that a notebook's file can express.
    pub(crate) fn modified_at(&self) -> Timestamp {
        let micros = self.modified.1 / 1_000 * 1_000;
        Timestamp::from_timestamp(self.modified.0.clamp(YEAR_0, YEAR_9999), micros).unwrap_or_default()
    }
}

/// Kind of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    SymbolicLink,
    Other,
}

/// A file's state at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) kind: Kind,
    pub(crate) fingerprint: Fingerprint,
    /// Set when the last change is so long ago that any later one shows in the fingerprint. Until then an equal
    /// fingerprint proves nothing, and the content has to be compared.
    pub(crate) settled: bool,
}

impl From<&Stat> for Meta {
    fn from(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::SymbolicLink,
            _ => Kind::Other,
        };
        let nanos = |nanos| u32::try_from(nanos).unwrap_or_default();
        let changed = (stat.st_ctime, nanos(stat.st_ctime_nsec));
        Self {
            kind,
            fingerprint: Fingerprint {
                inode: stat.st_ino,
                size: u64::try_from(stat.st_size).unwrap_or_default(),
                modified: (stat.st_mtime, nanos(stat.st_mtime_nsec)),
                changed,
            },
            settled: is_past(changed),
        }
    }
}

fn is_past((seconds, nanos): (i64, u32)) -> bool {
    let Ok(seconds) = u64::try_from(seconds) else { return true };
    #[expect(clippy::disallowed_methods, reason = "compared with file times, which the kernel takes from this clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A time in the future, after the clock was set back, never counts as past.
    Duration::new(seconds, nanos) + TICK < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stays_within_four_digits_of_year() {
        for (seconds, expected) in [
            (i64::MIN, "0000-01-01 00:00:00 UTC"),
            (YEAR_0 - 1, "0000-01-01 00:00:00 UTC"),
            (0, "1970-01-01 00:00:00 UTC"),
            (YEAR_9999 + 1, "9999-12-31 23:59:59 UTC"),
            (8_200_000_000_000, "9999-12-31 23:59:59 UTC"),
        ] {
            let fingerprint = Fingerprint { inode: 1, size: 0, modified: (seconds, 0), changed: (0, 0) };
            assert_eq!(fingerprint.modified_at().to_string(), expected);
        }
    }
}
