//! The processes below this one: found, counted, measured, killed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

/// Time between two looks for processes that are left.
const KILL_INTERVAL: Duration = Duration::from_millis(2);

/// Returns all processes that descend from one, without it.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    // Linux can be built without these lists.
    if Path::new("/proc/thread-self/children").exists() {
        descendants_by_lists(root)
    } else {
        descendants_by_parents(root)
    }
}

/// Finds descendants by the lists of each thread's children: cheap however many processes the machine has.
fn descendants_by_lists(root: u32) -> Vec<u32> {
    let (mut found, mut known) = (vec![root], HashSet::from([root]));
    let mut at = 0;
    while let Some(parent) = found.get(at) {
        at += 1;
        for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(
                children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(|pid| known.insert(*pid)),
            );
        }
    }
    found.split_off(1)
}

fn descendants_by_parents(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in all() {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut at) = (vec![root], 0);
    while let Some(parent) = found.get(at) {
        at += 1;
        found.extend(children.remove(parent).unwrap_or_default());
    }
    found.split_off(1)
}

/// Returns all processes of the machine.
pub(crate) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns the parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold blanks and parentheses, come state and parent.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
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
pub(crate) fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Kills all descendants of this process, and returns when there are none. Since it is the sub-reaper, an orphan becomes its child;
/// so it has descendants as long as it has children.
pub(super) async fn kill_all() {
    while has_children() {
        for pid in descendants(std::process::id()) {
            kill(pid, Signal::KILL);
        }
        tokio::time::sleep(KILL_INTERVAL).await;
    }
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
