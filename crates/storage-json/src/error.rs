//! The store's own errors, and their conversion to those of the store trait.

use std::io;
use std::path::PathBuf;

use quire_domain::{NotebookId, Revision};
use quire_files::quire::UnwritableField;
use quire_storage::StoreError;
use rustix::io::Errno;

/// The reason why a directory of notebooks cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another server, or another store of this process, has the directory.
    #[error("the directory {} is in use by another Quire server{}", dir.display(), process(*pid))]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other server's process, when its lock file says.
        pid: Option<u32>,
    },
    /// The file system refuses.
    #[error("cannot {action} in the directory {}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// The refused action, as a verb phrase.
        action: &'static str,
        /// The file system's error.
        #[source]
        source: io::Error,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The failure of a call, without the notebook that it was for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no such notebook")]
    NotFound,
    #[error("the notebook is there already")]
    Exists,
    #[error("the notebook is no longer at revision {0}")]
    Mismatch(Revision),
    #[error("an idempotency record with the same key exists")]
    AlreadyRecorded,
    #[error("the file is damaged: {0}")]
    Damaged(String),
    #[error("the change is in place, but may not survive a loss of power")]
    DurabilityUnknown(#[source] io::Error),
    #[error("the file would have {0} bytes, more than the {limit} allowed", limit = crate::MAX_FILE_BYTES)]
    TooLarge(u64),
    #[error("the file keeps changing while it is read")]
    ConcurrentlyModified,
    #[error("the file could not be read again: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Unwritable(#[from] UnwritableField),
    #[error("the file system refuses")]
    Io(#[from] io::Error),
    #[error("the work was cut off")]
    CutOff,
    #[error(
        "the notebooks' directory was removed, moved or replaced while it was served; put it back, or start the server again"
    )]
    Moved,
    #[error("the directory .quire was removed, and cannot be made again")]
    Restore(#[source] io::Error),
    #[error("the lock of the directory was removed, and cannot be taken again")]
    LockLost(#[source] OpenError),
}

impl Error {
    /// Converts the error, with the notebook that it was for and the attempted action as a verb.
    pub(crate) fn of(self, id: &NotebookId, verb: &str) -> StoreError {
        let id = id.clone();
        match self {
            Self::NotFound => StoreError::NotFound { id },
            Self::Exists => StoreError::AlreadyExists { id },
            Self::Mismatch(expected) => StoreError::RevisionMismatch { id, expected },
            Self::AlreadyRecorded => StoreError::AlreadyRecorded,
            Self::Damaged(reason) => StoreError::Damaged { id, reason },
            Self::DurabilityUnknown(_) | Self::CutOff => StoreError::OutcomeUnknown { id },
            Self::TooLarge(_) => StoreError::Full { id, reason: self.to_string() },
            Self::Restore(error) => match io_error(error, id, verb) {
                StoreError::Backend { source, .. } => StoreError::Unavailable {
                    reason: "the directory .quire was removed, and cannot be made again".into(),
                    source: Some(source),
                },
                known => known,
            },
            Self::LockLost(error) => {
                StoreError::Unavailable { reason: "the lock was removed".into(), source: Some(Box::new(error)) }
            }
            Self::Moved | Self::ConcurrentlyModified => {
                StoreError::Unavailable { reason: self.to_string(), source: None }
            }
            Self::Unreadable(_) | Self::Unwritable(_) => {
                StoreError::Backend { action: format!("{verb} notebook {id}"), source: Box::new(self) }
            }
            Self::Io(error) => io_error(error, id, verb),
        }
    }

    /// Converts the error of a call about idempotency records.
    pub(crate) fn of_records(self) -> StoreError {
        match self {
            Self::AlreadyRecorded => StoreError::AlreadyRecorded,
            Self::DurabilityUnknown(_) => StoreError::Unavailable {
                reason: "it is not known whether the recorded change survives a loss of power".into(),
                source: Some(Box::new(self)),
            },
            other => StoreError::Unavailable {
                reason: "the log of idempotency records cannot be written".into(),
                source: Some(Box::new(other)),
            },
        }
    }
}

impl Error {
    /// Converts the error of a call that changes nothing, so that its outcome cannot be unknown.
    pub(crate) fn of_read(self, id: &NotebookId) -> StoreError {
        match self {
            Self::DurabilityUnknown(_) | Self::CutOff => {
                StoreError::Unavailable { reason: "the work was cut off".into(), source: Some(Box::new(self)) }
            }
            other => other.of(id, "read"),
        }
    }
}

fn io_error(error: io::Error, id: NotebookId, verb: &str) -> StoreError {
    let reason = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC) => return StoreError::Full { id, reason: "no space left on the disk".into() },
        Some(Errno::DQUOT) => return StoreError::Full { id, reason: "the disk quota is used up".into() },
        Some(Errno::FBIG) => return StoreError::Full { id, reason: "the file-size limit is reached".into() },
        Some(Errno::ROFS) => "the notebooks' file system is read-only",
        Some(Errno::ACCESS | Errno::PERM) => "no permission for the notebooks' directory",
        Some(Errno::MFILE | Errno::NFILE) => "too many open files",
        Some(Errno::NOMEM) => "out of memory",
        // Files are looked for before they are used, so it is a directory of the server's own.
        Some(Errno::NOENT) => "a directory in .quire was removed just now; the next change makes it again",
        _ => return StoreError::Backend { action: format!("{verb} notebook {id}"), source: Box::new(error) },
    };
    StoreError::Unavailable { reason: reason.into(), source: Some(Box::new(error)) }
}
