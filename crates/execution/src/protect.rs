//! Protection of the server's own memory.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Makes the memory of this process unreadable for other processes of its user, and keeps it out of core dumps. To be called before the
/// process reads a secret. Root's processes can read it all the same.
///
/// # Errors
/// When the system refuses.
pub fn protect_memory() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
