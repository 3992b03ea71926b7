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
pub(super) struct Permit(Arc<Admission>);

/// Permission for one kernel of a user. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct UserPermit {
    admission: Arc<Admission>,
    user: String,
}

impl Admission {
    /// Admits a kernel, whoever it is for.
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
        Ok(Permit(Arc::clone(self)))
    }

    /// Admits one more kernel of a user.
    pub(super) fn admit_user(self: &Arc<Self>, user: &str, options: &KernelOptions) -> Result<UserPermit, StartError> {
        let mut counts = self.counts.lock();
        let count = counts.of_users.get(user).copied().unwrap_or(0);
        if count >= options.max_kernels_per_user {
            return Err(StartError::TooMany(format!(
                "you have {count} running kernels, as many as allowed: stop one of another notebook"
            )));
        }
        counts.of_users.insert(user.to_owned(), count + 1);
        Ok(UserPermit { admission: Arc::clone(self), user: user.to_owned() })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.counts.lock().all -= 1;
    }
}

impl Drop for UserPermit {
    fn drop(&mut self) {
        let users = &mut self.admission.counts.lock().of_users;
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

/// Returns the memory that is free for new processes: the least of what the machine and the control group say.
fn free_memory_bytes() -> Option<u64> {
    [free_of_machine(), free_of_group()].into_iter().flatten().min()
}

fn free_of_machine() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Returns what is left of the limit of the control group that a container is. `None` without a limit, and for version 1.
fn free_of_group() -> Option<u64> {
    let read = |file: &str| fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok();
    let limit: u64 = read("memory.max")?.trim().parse().ok()?; // or "max"
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    // Read files that nobody needs; the system takes them away first.
    let stat = read("memory.stat").unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok());
    Some(limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0))))
}
