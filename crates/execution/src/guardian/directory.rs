//! The size of a directory.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Maximum number of files that are looked at.
const MAX_FILES: usize = 20_000;

/// Returns the bytes that the files of a directory take on the disk; `None` if it has too many to look at.
pub(super) fn size_bytes(directory: &Path) -> Option<u64> {
    let mut directories = vec![directory.to_owned()];
    let (mut bytes, mut files) = (0, 0);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            // That of a link itself.
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            if files > MAX_FILES {
                return None;
            }
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Some(bytes)
}
