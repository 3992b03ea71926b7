//! How many kernels there may be.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::kernel::StartError;
use crate::options::KernelOptions;

const MIB: u64 = 1024 * 1024;
/// Time to wait for kernels that are ending, if there would be too many without them.
const ENDING_TIMEOUT: Duration = Duration::from_secs(15);

/// Numbers of kernels, shared by all permits.
#[derive(Debug, Default)]
pub(super) struct Admission {
    counts: Mutex<Counts>,
    /// A kernel is gone.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// Those among them that nobody uses any more.
    ending: usize,
    of_users: HashMap<String, usize>,
}

/// Permission for one kernel. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    is_ending: AtomicBool,
    /// The permission of the user who has the kernel.
    user: Mutex<Option<UserPermit>>,
}

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
        Ok(Permit { admission: Arc::clone(self), is_ending: AtomicBool::new(false), user: Mutex::new(None) })
    }

    /// Admits what `admit` admits. When that is too much, waits for kernels that are ending, and tries again.
    pub(super) async fn when_free<T>(&self, admit: impl Fn() -> Result<T, StartError>) -> Result<T, StartError> {
        let wait = async {
            loop {
                let freed = self.freed.notified();
                // An end that began before this was counted, or else it is over.
                let is_any_ending = self.counts.lock().ending > 0;
                match admit() {
                    Err(StartError::TooMany(_)) if is_any_ending => freed.await,
                    admitted => return admitted,
                }
            }
        };
        match tokio::time::timeout(ENDING_TIMEOUT, wait).await {
            Ok(admitted) => admitted,
            Err(_) => admit(),
        }
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

impl Permit {
    /// Makes the kernel one of a user, until it is gone.
    pub(super) fn give(&self, user: UserPermit) {
        *self.user.lock() = Some(user);
    }

    /// Tells that nobody uses the kernel any more: who has no permission waits for it.
    pub(super) fn begin_to_end(&self) {
        let mut counts = self.admission.counts.lock();
        if !self.is_ending.swap(true, Ordering::Relaxed) {
            counts.ending += 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Before anybody who waits looks.
        *self.user.lock() = None;
        let mut counts = self.admission.counts.lock();
        counts.all -= 1;
        if self.is_ending.load(Ordering::Relaxed) {
            counts.ending -= 1;
        }
        drop(counts);
        self.admission.freed.notify_waiters();
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
