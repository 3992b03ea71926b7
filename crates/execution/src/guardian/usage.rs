//! The watch over what a kernel uses: memory, processes, threads, files.

use std::time::Duration;

use tokio::time::Instant;

use super::writer::Writer;
use super::{directory, processes};
use crate::frame::{Notice, StartSpec};

const MIB: u64 = 1024 * 1024;
/// Time between two looks while code is executed.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two looks at other times, and at the files.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Watch {
    last: Instant,
    due: Instant,
    files_due: Instant,
}

impl Watch {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { last: now, due: now, files_due: now + IDLE_INTERVAL }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Looks, if it is time to, and tells the server. Returns the limit that is exceeded, in words.
    pub(super) fn look(&mut self, now: Instant, spec: &StartSpec, is_busy: bool, writer: &Writer) -> Option<String> {
        let interval = if is_busy { BUSY_INTERVAL } else { IDLE_INTERVAL };
        // An execution may have begun since.
        self.due = self.due.min(self.last + interval);
        if now < self.due {
            return None;
        }
        (self.last, self.due) = (now, now + interval);
        let limits = &spec.limits;
        let own = std::process::id();
        let mut pids = processes::descendants(own);
        if pids.len() > limits.processes {
            return Some(format!("the kernel started more than its {} processes and was ended", limits.processes));
        }
        if processes::threads(&pids) > limits.threads {
            return Some(format!("the kernel started more than its {} threads and was ended", limits.threads));
        }
        pids.push(own);
        let memory_bytes = processes::memory_bytes(&pids, limits.memory_bytes);
        if memory_bytes > limits.memory_bytes {
            return Some(format!(
                "the kernel used more than its {} MiB of memory and was ended",
                limits.memory_bytes / MIB
            ));
        }
        writer.change(|outbox| outbox.usage(Notice::Usage { memory_bytes }));
        if now < self.files_due {
            return None;
        }
        self.files_due = now + IDLE_INTERVAL;
        match directory::size_bytes(&spec.directory) {
            Some(bytes) if bytes <= limits.directory_bytes => None,
            Some(_) => Some(format!(
                "the kernel's files took more than their {} MiB and it was ended",
                limits.directory_bytes / MIB
            )),
            None => Some("the kernel wrote too many files and was ended".to_owned()),
        }
    }
}
