//! The reason for which a kernel ended, in words.

use std::fs;

use rustix::process::WaitStatus;

const SIGNALS: [(i32, &str); 8] = [
    (2, "SIGINT"),
    (4, "SIGILL, an invalid instruction"),
    (6, "SIGABRT, it gave up"),
    (7, "SIGBUS, an invalid memory access"),
    (8, "SIGFPE, an invalid calculation"),
    (11, "SIGSEGV, an invalid memory access"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
];
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// What is known of a kernel besides its status.
#[derive(Debug)]
pub(super) struct Circumstances {
    /// The code called `exit()`.
    pub(super) has_exited: bool,
    /// The number of processes that the system had ended for want of memory at the last look but one, and at the last.
    oom_kills: [u64; 2],
    cpu_seconds: u64,
}

impl Circumstances {
    pub(super) fn new(cpu_seconds: u64) -> Self {
        Self { has_exited: false, oom_kills: [oom_kills(); 2], cpu_seconds }
    }

    /// Looks what has happened: what is long past is not the reason.
    pub(super) fn look(&mut self) {
        self.oom_kills = [self.oom_kills[1], oom_kills()];
    }
}

/// Returns the number of processes that the system has ended for want of memory since it started.
fn oom_kills() -> u64 {
    let vmstat = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Describes the end of a kernel that ended by itself.
pub(super) fn describe(status: WaitStatus, circumstances: &Circumstances) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(_), _) if circumstances.has_exited => "the code called `exit()`, which ended the kernel".to_owned(),
        (Some(code), _) => format!("the kernel ended with exit code {code}"),
        (None, Some(SIGKILL)) if oom_kills() > circumstances.oom_kills[0] => {
            "the kernel was killed, because the machine was out of memory".to_owned()
        }
        (None, Some(SIGKILL)) => "the kernel was killed by signal 9 (SIGKILL)".to_owned(),
        (None, Some(SIGXCPU)) => {
            format!(
                "the kernel used more than its {} seconds of processor time and was ended",
                circumstances.cpu_seconds
            )
        }
        (None, Some(signal)) => match SIGNALS.iter().find(|(number, _)| *number == signal) {
            Some((_, name)) => format!("the kernel ended by signal {signal} ({name})"),
            None => format!("the kernel ended by signal {signal}"),
        },
        (None, None) => "the kernel ended".to_owned(),
    }
}
