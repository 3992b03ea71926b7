//! The processes that a killed guardian has left behind.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use crate::guardian::MARKER;
use crate::guardian::processes::{all, descendants, kill, parent};

const KILL_INTERVAL: Duration = Duration::from_millis(5);

/// Kills all processes of a kernel whose guardian was killed: those with its marker in their environment, those that the guardian had
/// told of and that are children of this process now, and what descends from either.
pub(super) async fn kill_all(directory_name: &str, told: &[u32]) {
    let marker = format!("{MARKER}={directory_name}");
    loop {
        let marker = marker.clone();
        let told = told.to_vec();
        let found = tokio::task::spawn_blocking(move || find(&marker, &told)).await.unwrap_or_default();
        if found.is_empty() {
            return;
        }
        for &pid in &found {
            kill(pid, Signal::KILL);
        }
        tokio::time::sleep(KILL_INTERVAL).await;
        for pid in found.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            // Not those of others, whom somebody else waits for.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

fn find(marker: &str, told: &[u32]) -> Vec<u32> {
    let own = std::process::id();
    let is_marked = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    };
    let mut found: Vec<u32> =
        all().filter(|pid| is_marked(*pid) || (told.contains(pid) && parent(*pid) == Some(own))).collect();
    let below: Vec<u32> = found.iter().flat_map(|pid| descendants(*pid)).collect();
    found.extend(below);
    found.sort_unstable();
    found.dedup();
    found
}
