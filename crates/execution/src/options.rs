//! Options of kernels: which program, how many, how much of the machine each may use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;
/// Name of the user that kernels run as.
const KERNEL_USER: &str = "quire-kernel";

/// Options of [`GuardedKernels`](crate::GuardedKernels).
#[derive(Clone, Debug)]
pub struct KernelOptions {
    /// The program that guards a kernel: started with the argument [`GUARD_ARGUMENT`](crate::GUARD_ARGUMENT), it calls [`guard`](crate::guard).
    pub guardian: PathBuf,
    /// The kernels' program.
    pub program: KernelProgram,
    /// The directory in which each kernel gets one of its own. The paths of sockets, which are short, are in there.
    pub run_directory: PathBuf,
    /// The directory that code runs in; `None` for a fresh one for each kernel, which goes with it.
    pub working_directory: Option<PathBuf>,
    /// More variables of the kernels' environment, which has nothing of the server's.
    pub environment: Vec<(String, String)>,
    /// The directory of Matplotlib's lists of fonts, of which each kernel gets a copy: to make one takes seconds where there are many fonts.
    pub font_lists: Option<PathBuf>,
    /// The user that kernels run as, if not the server's. Needs the right to change users.
    pub user: Option<KernelUser>,
    /// Number of kernels that are started ahead.
    pub warm_kernels: usize,
    /// Maximum number of kernels of one user.
    pub max_kernels_per_user: usize,
    /// Maximum number of kernels, those started ahead included.
    pub max_kernels: usize,
    /// Memory that must be free before a kernel is started, in bytes.
    pub min_free_memory_bytes: u64,
    /// Time for a kernel to take code after it was started.
    pub start_timeout: Duration,
    /// Limits of each kernel.
    pub limits: Limits,
}

impl KernelOptions {
    /// Returns the defaults for a guardian and a Python.
    #[must_use]
    pub fn new(guardian: PathBuf, program: KernelProgram) -> Self {
        Self {
            guardian,
            program,
            run_directory: std::env::temp_dir(),
            working_directory: None,
            environment: Vec::new(),
            font_lists: own_font_lists(),
            user: None,
            warm_kernels: 0,
            max_kernels_per_user: 10,
            max_kernels: 50,
            min_free_memory_bytes: 256 * MIB,
            start_timeout: Duration::from_mins(1),
            limits: Limits::default(),
        }
    }
}

/// Returns the directory where Matplotlib keeps the lists of fonts of this process's user.
fn own_font_lists() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    Some(cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?.join("matplotlib"))
}

/// The program that a kernel is.
#[derive(Clone, Debug)]
pub enum KernelProgram {
    /// None: each start fails with [`StartError::NotInstalled`](crate::StartError::NotInstalled), which says this.
    Missing(String),
    /// The kernel `ipykernel` of this Python, a path or a name on the `PATH`.
    Python(PathBuf),
    /// An installed kernel: the directory of its `kernel.json`, or its name among Jupyter's directories. In that file, `python` means the Python
    /// named here, if there is one.
    Spec(PathBuf, Option<PathBuf>),
}

/// Limits of one kernel. Those of the operating system hold for each of its processes; memory, processes, threads and files are
/// counted together by its guardian.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Resident memory of all processes together, guardian included, in bytes.
    pub memory_bytes: u64,
    /// Address space of a process (`RLIMIT_AS`), in bytes. Generous: a kernel reserves more than it uses.
    pub address_space_bytes: u64,
    /// Number of processes.
    pub processes: usize,
    /// Number of threads of all processes together.
    pub threads: usize,
    /// Open files of a process.
    pub open_files: u64,
    /// Size of a file that is written, in bytes.
    pub file_bytes: u64,
    /// Files in the kernel's own directory together, in bytes.
    pub directory_bytes: u64,
    /// Processor time of a process, in seconds.
    pub cpu_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 2048 * MIB,
            address_space_bytes: 64 * 1024 * MIB,
            processes: 256,
            threads: 1024,
            open_files: 4096,
            file_bytes: 1024 * MIB,
            directory_bytes: 2048 * MIB,
            cpu_seconds: 24 * 60 * 60,
        }
    }
}

/// A user of the operating system, for kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelUser {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

impl KernelUser {
    /// Returns the user for kernels of a server that runs as root: `quire-kernel`, if there is one. `None` also for a server that may not
    /// change users.
    #[must_use]
    pub fn of_machine() -> Option<Self> {
        if geteuid().is_root() { Self::find(KERNEL_USER).ok().flatten() } else { None }
    }

    /// Finds a user by name among the machine's own (`/etc/passwd`).
    ///
    /// # Errors
    /// When the list of users cannot be read.
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        Ok(Self::find_in(&fs::read_to_string(Path::new("/etc/passwd"))?, name))
    }

    fn find_in(users: &str, name: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            found.then_some(Self { uid, gid })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::KernelUser;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken\nquire-kernel-2:x:7:8::/:\nquire-kernel:x:995:994::/nonexistent:/bin/false\n";
        assert_eq!(KernelUser::find_in(users, "quire-kernel"), Some(KernelUser { uid: 995, gid: 994 }));
        assert_eq!(KernelUser::find_in(users, "quire"), None);
    }
}
