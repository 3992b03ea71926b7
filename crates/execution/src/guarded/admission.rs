//! How many kernels there may be.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::kernel::StartError;
use crate::options::KernelOptions;

const MIB: u64 = 1024 * 1024;

/// Numbers of kernels, shared by all permits.
#[derive(Debug, Default)]
pub(super) struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    of_users: HashMap<String, usize>,
}

/// Permission for one kernel. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    user: Option<String>,
}

impl Admission {
    /// Admits a kernel, of nobody yet.
    pub(super) fn admit(self: &Arc<Self>, options: &KernelOptions) -> Result<Permit, StartError> {
        let needed = options.min_free_memory_bytes;
        if let Some(free) = free_memory_bytes().filter(|free| *free < needed) {
            return Err(StartError::TooMany(format!(
                "the machine has {} MiB of free memory, and a kernel is started only with {} MiB: stop another kernel, or try again later",
                free / MIB,
                needed / MIB
            )));
        }
        let mut counts = self.counts.lock();
        if counts.all >= options.max_kernels {
            return Err(StartError::TooMany(format!(
                "the server runs {} kernels, as many as it may: stop another kernel, or try again later",
                counts.all
            )));
        }
        counts.all += 1;
        Ok(Permit { admission: Arc::clone(self), user: None })
    }
}

impl Permit {
    /// Counts the kernel as one of a user.
    pub(super) fn give_to(&mut self, user: &str, options: &KernelOptions) -> Result<(), StartError> {
        let mut counts = self.admission.counts.lock();
        let count = counts.of_users.entry(user.to_owned()).or_default();
        if *count >= options.max_kernels_per_user {
            return Err(StartError::TooMany(format!(
                "you have {count} running kernels, as many as allowed: stop one of another notebook"
            )));
        }
        *count += 1;
        self.user = Some(user.to_owned());
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        counts.all -= 1;
        let Some(user) = self.user.take() else { return };
        if let Some(count) = counts.of_users.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                counts.of_users.remove(&user);
            }
        }
    }
}

/// Returns the memory that the machine has free for new processes; `None` where the system does not say.
fn free_memory_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
