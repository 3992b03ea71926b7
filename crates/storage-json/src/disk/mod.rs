//! Files: the few system calls that the store needs, without a word about notebooks.

mod fingerprint;
mod folder;
mod replace;
mod temporary;

pub(crate) use fingerprint::{Fingerprint, Kind, Meta};
pub(crate) use folder::{Folder, Name, ReadFile, append};
pub(crate) use replace::{Created, Removed, Replaced, Replacement, create, remove, replace};
pub(crate) use temporary::clean_up;
