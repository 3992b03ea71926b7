//! The kernel's own process, as the guardian sees it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::launch;
use crate::frame::StartSpec;

/// Bytes of standard error that are kept, of its end.
const STDERR_BYTES: usize = 4096;

pub(super) struct KernelProcess {
    pid: Pid,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl KernelProcess {
    pub(super) fn spawn(spec: &StartSpec, connection_file: &std::path::Path) -> io::Result<Self> {
        let mut child = launch::spawn(spec, connection_file)?;
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))?;
        let stderr = Arc::<Mutex<Vec<u8>>>::default();
        if let Some(pipe) = child.stderr.take() {
            tokio::spawn(keep_end(pipe::Receiver::from_owned_fd(OwnedFd::from(pipe))?, Arc::clone(&stderr)));
        }
        Ok(Self { pid, stderr })
    }

    /// Sends a signal to the kernel and what it has started, as far as that is in its group.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal);
    }

    /// Reaps what has ended, orphans included. Returns the kernel's status if it is among that.
    pub(super) fn reap(&self) -> Option<WaitStatus> {
        let mut status = None;
        while let Ok(Some((pid, ended))) = wait(WaitOptions::NOHANG) {
            if pid == self.pid {
                status = Some(ended);
            }
        }
        status
    }

    /// Returns the end of what the kernel has written to standard error.
    pub(super) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock()).trim().to_owned()
    }
}

async fn keep_end(mut pipe: pipe::Receiver, kept: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; STDERR_BYTES];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        let mut kept = kept.lock();
        kept.extend_from_slice(&buffer[..length]);
        let excess = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..excess);
    }
}
