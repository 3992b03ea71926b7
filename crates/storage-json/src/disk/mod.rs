//! Files: the system calls that the store needs. Nothing here knows notebooks.

mod access;
mod append_log;
mod fingerprint;
mod folder;
mod known_file;
mod replace;
#[cfg(test)]
mod room;
mod temporary;

pub(crate) use append_log::{AppendLog, Appended, LogSync, NEW};
pub(crate) use fingerprint::{Fingerprint, Kind, Meta};
pub(crate) use folder::{Folder, Name, ReadFile, append, meta_of};
pub(crate) use known_file::KnownFile;
pub(crate) use replace::{Created, Removed, Replaced, Replacement, create, remove, replace};
#[cfg(test)]
pub(crate) use room::with_room;
pub(crate) use temporary::clean_up;
