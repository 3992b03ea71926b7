//! A file of ours as it was last known, to notice that another program took it away.

use std::borrow::Cow;

use super::Fingerprint;

/// A file of ours as it was last known under its name.
#[derive(Clone, Debug)]
pub(crate) struct KnownFile {
    pub(crate) name: Cow<'static, str>,
    pub(crate) inode: u64,
    /// Bytes that are in it at least.
    pub(crate) size: u64,
}

impl KnownFile {
    /// Returns whether a file with this state is the same one, with all that was written to it.
    pub(crate) fn is(&self, there: &Fingerprint) -> bool {
        there.inode == self.inode && there.size >= self.size
    }
}
