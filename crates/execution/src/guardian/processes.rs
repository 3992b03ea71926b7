//! The processes below this one: found, counted, measured, killed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

/// Time between two looks for processes that are left.
const KILL_INTERVAL: Duration = Duration::from_millis(2);
/// The longest time between two looks.
const MAX_KILL_INTERVAL: Duration = Duration::from_millis(200);
/// Time after which processes that cannot be killed, as those that wait for a device, are given up.
const KILL_TIMEOUT: Duration = Duration::from_secs(8);

/// Returns all processes that descend from one, without it.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    if has_lists() {
        // Cheap however many processes the machine has.
        below(root, listed_children)
    } else {
        let mut children = children_of_all();
        below(root, |parent| children.remove(&parent).unwrap_or_default())
    }
}

/// Returns the children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    if has_lists() { listed_children(parent) } else { children_of_all().remove(&parent).unwrap_or_default() }
}

/// Returns `true` if Linux was built with the lists of each thread's children.
fn has_lists() -> bool {
    Path::new("/proc/thread-self/children").exists()
}

fn below(root: u32, mut children: impl FnMut(u32) -> Vec<u32>) -> Vec<u32> {
    let (mut found, mut known) = (vec![root], HashSet::from([root]));
    let mut at = 0;
    while let Some(parent) = found.get(at) {
        at += 1;
        found.extend(children(*parent).into_iter().filter(|pid| known.insert(*pid)));
    }
    found.split_off(1)
}

fn listed_children(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn children_of_all() -> HashMap<u32, Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all() {
        if let Some(parent) = Stat::read(pid).and_then(|stat| stat.parent()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

/// Returns all processes of the machine.
fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What the system says of a process.
pub(crate) struct Stat(String);

impl Stat {
    /// Reads it; `None` if the process is gone.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which may hold blanks and parentheses, come the fields.
        Some(Self(stat.rsplit_once(") ")?.1.to_owned()))
    }

    fn field(&self, index: usize) -> Option<u32> {
        self.0.split(' ').nth(index)?.parse().ok()
    }

    pub(crate) fn parent(&self) -> Option<u32> {
        self.field(1)
    }

    pub(crate) fn session(&self) -> Option<u32> {
        self.field(3)
    }

    fn threads(&self) -> Option<u32> {
        self.field(17)
    }
}

/// Returns the number of threads of processes together.
pub(super) fn threads(pids: &[u32]) -> usize {
    // Lossless: `usize` has 32 bits at least.
    pids.iter().filter_map(|pid| Stat::read(*pid)?.threads()).map(|threads| threads as usize).sum()
}

/// Returns the resident memory of a process in bytes, shared pages included.
fn resident_bytes(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Returns the resident memory of a process in bytes, with its part of what it shares with others.
fn proportional_bytes(pid: u32) -> u64 {
    let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { return resident_bytes(pid) };
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    pss.and_then(|pss| pss.split_whitespace().next()?.parse::<u64>().ok())
        .map_or_else(|| resident_bytes(pid), |kib| kib * 1024)
}

/// Returns the resident memory of processes together in bytes. What several of them share is counted once if it would make more than
/// `enough`: the exact sum is dear.
pub(super) fn memory_bytes(pids: &[u32], enough: u64) -> u64 {
    let most = pids.iter().map(|pid| resident_bytes(*pid)).sum();
    if most <= enough { most } else { pids.iter().map(|pid| proportional_bytes(*pid)).sum() }
}

/// Sends a signal to a process. That it is gone is no failure.
fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Kills processes. They are stopped before, so that none starts another one between the list and the signal.
pub(crate) fn stop_and_kill(list: impl Fn() -> Vec<u32>) {
    for pid in list() {
        kill(pid, Signal::STOP);
    }
    for pid in list() {
        kill(pid, Signal::KILL);
    }
}

/// The pauses between attempts to kill processes, which become longer.
pub(crate) struct Pauses {
    next: Duration,
    since: Instant,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { next: KILL_INTERVAL, since: Instant::now() }
    }

    /// Waits until the next attempt; `false` if there is to be none.
    pub(crate) async fn wait(&mut self) -> bool {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(MAX_KILL_INTERVAL);
        self.since.elapsed() < KILL_TIMEOUT
    }
}

/// Kills all descendants of this process, and returns when there are none. Since it is the sub-reaper, an orphan becomes its child;
/// so it has descendants as long as it has children.
///
/// # Errors
/// When some are still there after [`KILL_TIMEOUT`].
pub(super) async fn kill_all() -> io::Result<()> {
    let mut pauses = Pauses::new();
    while has_children() {
        stop_and_kill(|| descendants(std::process::id()));
        if !pauses.wait().await {
            return Err(io::Error::other("processes of the kernel cannot be killed"));
        }
    }
    Ok(())
}

/// Reaps what has ended, and returns `true` if there is more.
fn has_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false, // no child
        }
    }
}
