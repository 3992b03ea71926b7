//! Notebooks as JSON files in a directory: [`JsonNotebookStore`] serves one, [`NotebookDirectory`] only reads it.
//!
//! In the directory:
//!
//! - `<id>.json`, or `=<sha256 of the id>.json`: the notebooks, in the format of older servers. The `id` inside counts,
//!   not the name. Sub-directories, hidden files and names that do not end in `.json` are ignored.
//! - `.quire/lock`: held by the store that serves the directory.
//! - `.quire/index.jsonl`: the index of the files, so that starting does not read them all; may be lost.
//! - `.quire/outputs/`: results of runs; losing them loses no code.
//! - `.quire/answers.log`: idempotency records; losing it loses no code.
//! - `.quire/tmp/`: files being written.

mod calls;
mod digest;
mod disk;
mod engine;
mod error;
mod file_poller;
mod health;
mod idempotency;
mod index;
mod lock;
mod names;
mod reader;
mod results;
mod store;

pub use error::OpenError;
pub use names::file_stems;
pub use reader::{FileBytes, FileEntry, NotebookDirectory, ReadNotebook, Unread, Unreadable};
pub use store::{JsonNotebookStore, Options};

/// Maximum bytes of a file that is read or written. A file is held in memory whole, so that one that grew by mistake could take
/// the server down.
pub(crate) const MAX_FILE_BYTES: u64 = 2 << 30;
