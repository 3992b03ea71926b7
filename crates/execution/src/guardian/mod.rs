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

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use rustix::process::{Signal, getpid, set_child_subreaper, set_parent_process_death_signal};
use tokio::net::unix::pipe;

use crate::frame::{self, Request};

pub(crate) use launch::MARKER;

/// First argument of the program that calls [`guard`].
pub const GUARD_ARGUMENT: &str = "guard-kernel";

/// Guards one kernel. The program of a [`KernelOptions::guardian`](crate::KernelOptions::guardian) calls this first of all, if its first argument is
/// [`GUARD_ARGUMENT`], and ends with what it returns.
#[must_use]
pub fn guard() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2).peekable();
    if arguments.next_if(|argument| argument == launch::LAUNCH_ARGUMENT).is_some() {
        return launch::launch(arguments);
    }
    // One thread, which lives as long as the process: the kernel dies with its thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the guardian of a kernel failed: {error}");
            ExitCode::FAILURE
        }
    }
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
    session::run(*spec, input, output).await
}
