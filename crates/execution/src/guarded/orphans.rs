//! The processes that a killed guardian has left behind.

use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::sync::Mutex;

use crate::guardian::processes::{Pauses, Stat, children, descendants, stop_and_kill};

/// One at a time: a process that another one reaps must not be signalled, since its id can be used again.
static TURN: Mutex<()> = Mutex::const_new(());

/// Kills all processes that guardians which have ended left behind, and what descends from them.
///
/// They have become children of this process, its sub-reaper. They are told from those that it has started by their session: each kernel
/// begins one of its own, and no process below it comes back to another.
pub(super) async fn kill_all() {
    let _turn = TURN.lock().await;
    let mut pauses = Pauses::new();
    loop {
        let found = tokio::task::spawn_blocking(|| {
            let roots = roots();
            stop_and_kill(|| roots.iter().copied().chain(roots.iter().flat_map(|pid| descendants(*pid))).collect());
            roots
        });
        let found = found.await.unwrap_or_default();
        if found.is_empty() {
            return;
        }
        if !pauses.wait().await {
            tracing::warn!(?found, "processes of a kernel are left that cannot be killed");
            return;
        }
        for pid in found.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Returns the children of this process that it has not started.
fn roots() -> Vec<u32> {
    let own = std::process::id();
    let session = |pid: u32| Stat::read(pid).and_then(|stat| stat.session());
    let Some(own_session) = session(own) else { return Vec::new() };
    children(own).into_iter().filter(|pid| session(*pid).is_some_and(|other| other != own_session)).collect()
}
