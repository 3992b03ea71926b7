//! A full disk for tests: a limit on the bytes that the calling thread may write.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

thread_local! {
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Does something while there is room for so many bytes.
pub(crate) fn with_room<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    LEFT.set(Some(bytes));
    let done = work();
    LEFT.set(None);
    done
}

/// Takes the room for what is about to be written. Where it is too little, as much is written as fits, and the error is the
/// kernel's own of a full device.
pub(super) fn take(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let Some(left) = LEFT.get() else { return Ok(()) };
    LEFT.set(Some(left.saturating_sub(bytes.len())));
    if bytes.len() <= left {
        return Ok(());
    }
    file.write_all(&bytes[..left])?;
    OpenOptions::new().write(true).open("/dev/full")?.write_all(&bytes[left..])
}
