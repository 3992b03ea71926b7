//! The thread that starts guardians. The signal that ends a guardian with the server comes when the *thread* that has started it ends,
//! so this one never does.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

use rustix::process::{getpid, set_child_subreaper};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::guardian::GUARD_ARGUMENT;

struct Order {
    command: Command,
    /// The runtime that will wait for the process.
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Starts a guardian.
pub(super) async fn spawn(program: &Path) -> io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = mpsc::channel();
        // Without the thread, nobody receives, which the caller notices.
        let _ = thread::Builder::new().name("kernels".to_owned()).spawn(move || start_all(&orders));
        sender
    });
    let mut command = Command::new(program);
    command.arg(GUARD_ARGUMENT).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
    // In a group of its own: what a terminal sends to the server is not meant for it.
    command.process_group(0);
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
