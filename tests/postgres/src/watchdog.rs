//! Ends the processes of a test process when that process ends, in whatever way.
//!
//! The statics of a process are never dropped, and a killed process runs no code. So a small shell reads from a pipe
//! whose other end only the test process has: the pipe closes when the process ends.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Script of the watchdog. Each line of its input names the process to end; an empty line means none. The process is
/// not a child of the shell, which therefore cannot wait for it. If orphans are not reaped, the ended process stays
/// visible, so the script polls a limited number of times. A killed `PostgreSQL` leaves a shared-memory segment, which
/// its lock file names in line 7.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
process=
while read -r line; do process=$line; done
if [ -n "$process" ]; then
    kill -s "$1" "$process"
    rounds=0
    while kill -0 "$process" && [ "$rounds" -lt 50 ]; do sleep 0.1; rounds=$((rounds + 1)); done
    kill -s KILL "$process"
fi
set -- "$2" $(sed -n '7s/^ *[0-9]* *//p' "$2/data/postmaster.pid")
[ -z "${2:-}" ] || ipcrm -m "$2"
rm -rf -- "$1"
"#;

/// A folder and optionally a process. When this value is dropped or the test process ends, the process is ended and
/// then the folder removed.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Mutex<Child>,
    folder: PathBuf,
}

impl Watchdog {
    /// Creates a folder and its watchdog; `signal` ends the process in it at once.
    pub(crate) fn with_folder(signal: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("quire-pg-").tempdir().expect("there is room for a folder").keep();
        let mut shell = Command::new("sh");
        // The shell has its own process group, so that an interrupt from the keyboard does not reach it.
        shell.arg("-c").arg(SCRIPT).arg("watchdog").arg(signal).arg(&folder).process_group(0).current_dir("/");
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { shell: Mutex::new(shell.expect("there is a shell")), folder }
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sets the process to end from now on.
    pub(crate) fn watch(&self, process: Option<u32>) {
        let line = process.map_or_else(|| "\n".to_owned(), |id| format!("{id}\n"));
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        shell.stdin.as_mut().expect("the pipe is open").write_all(line.as_bytes()).expect("the watchdog is alive");
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Waiting closes the pipe first.
        let _ = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner).wait();
    }
}
