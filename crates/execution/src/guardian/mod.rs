//! The guardian of one kernel: a process between the server and the kernel, the server's own program with another first argument.
//!
//! It starts the kernel, speaks with it, bounds what the server gets to see, watches memory, processes and files, and ends all
//! processes that descend from it when the server says so, ends, or is killed.

mod channels;
mod directory;
mod execution;
mod interrupt;
mod kernel_process;
mod launch;
mod message;
mod outbox;
pub(crate) mod processes;
mod reason;
mod session;
mod signals;
mod start;
mod transcript;
mod usage;
mod writer;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use rustix::process::{
    Resource, Rlimit, Signal, getpid, getrlimit, set_child_subreaper, set_parent_process_death_signal, setrlimit,
};
use tokio::net::unix::pipe;

use crate::frame::{self, Request};
use crate::protect::protect_memory;

/// First argument of the program that calls [`guard`].
pub const GUARD_ARGUMENT: &str = "guard-kernel";
/// Second argument of the program that removes the directory of a kernel, which a third one names.
pub(crate) const REMOVE_ARGUMENT: &str = "remove";
/// What a guardian may reserve beyond the memory that its kernel may use.
const ADDRESS_SPACE_BYTES: u64 = 1024 * 1024 * 1024;

/// Guards one kernel. The program of a [`KernelOptions::guardian`](crate::KernelOptions::guardian) calls this first of all, if its first argument is
/// [`GUARD_ARGUMENT`], and ends with what it returns.
#[must_use]
pub fn guard() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2).peekable();
    if arguments.next_if(|argument| argument == launch::LAUNCH_ARGUMENT).is_some() {
        return launch::launch(arguments);
    }
    // First in line when memory is short, as its kernel is. Not later, since a process that is not dumpable may not write it.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    // What it holds of the server's pipes is not for code in cells.
    let outcome = protect_memory().and_then(|()| {
        if arguments.next_if(|argument| argument == REMOVE_ARGUMENT).is_some() {
            return remove(arguments.next());
        }
        // One thread, which lives as long as the process: the kernel dies with its thread.
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the guardian of a kernel failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn remove(path: Option<OsString>) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    path.map_or(Ok(()), |path| directory::remove(path.as_ref()))
}

async fn run() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    // Beside the end of standard input, in case another process holds its other end. Not KILL, which would leave descendants of the
    // kernel behind.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let mut input = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let output = pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
    let Some(Request::Start(spec)) = frame::read(&mut input).await? else {
        return Err(io::Error::other(format!("{GUARD_ARGUMENT} is started by quire-server only")));
    };
    // A kernel that sends more than may be kept costs the guardian, and no others. The greater limit stays, for the kernel.
    let maximum = getrlimit(Resource::As).maximum;
    let limit = spec.limits.memory_bytes.saturating_add(ADDRESS_SPACE_BYTES);
    let current = Some(maximum.map_or(limit, |maximum| maximum.min(limit)));
    setrlimit(Resource::As, Rlimit { current, maximum })?;
    session::run(*spec, input, output).await
}
