//! The thread that starts guardians. The signal that ends a guardian with the server comes when the *thread* that has started it ends,
//! so this one never does.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{getpid, set_child_subreaper};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::guardian::{GUARD_ARGUMENT, REMOVE_ARGUMENT};

/// Time for the removal of a directory.
const REMOVE_TIMEOUT: Duration = Duration::from_mins(5);

struct Order {
    command: Command,
    /// The runtime that will wait for the process.
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Starts a guardian.
pub(super) async fn spawn(program: &Path) -> io::Result<Child> {
    let mut command = command(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    start(command).await
}

/// Removes the directory of a kernel, in a process that does nothing else: what code has made in there can be of any size.
pub(super) async fn remove(program: &Path, directory: &Path) -> io::Result<()> {
    let mut command = command(program);
    command.arg(REMOVE_ARGUMENT).arg(directory).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let mut child = start(command).await?;
    match tokio::time::timeout(REMOVE_TIMEOUT, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(io::Error::other(format!("the process that removes it ended with {status}"))),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other(format!("it was not removed within {} seconds", REMOVE_TIMEOUT.as_secs()))),
    }
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // In a group of its own: what a terminal sends to the server is not meant for it. In the server's session, by which it is known.
    command.arg(GUARD_ARGUMENT).env_clear().process_group(0);
    command
}

async fn start(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = mpsc::channel();
        // Without the thread, nobody receives, which the caller notices.
        let _ = thread::Builder::new().name("kernels".to_owned()).spawn(move || start_all(&orders));
        sender
    });
    let (answer, answered) = oneshot::channel();
    spawner
        .send(Order { command, runtime: Handle::current(), answer })
        .map_err(|error| io::Error::other(error.to_string()))?;
    answered.await.map_err(io::Error::other)?
}

fn start_all(orders: &mpsc::Receiver<Order>) {
    // What a killed guardian leaves behind becomes a child of this process, and is found.
    let reaps = set_child_subreaper(Some(getpid()));
    if let Err(error) = reaps {
        tracing::warn!(%error, "processes of kernels can outlive a guardian that is killed");
    }
    for Order { mut command, runtime, answer } in orders {
        let _entered = runtime.enter();
        // An order that nobody waits for any more: its process sees the end of its input.
        let _ = answer.send(command.spawn());
    }
}
