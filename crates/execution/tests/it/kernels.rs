//! The kernels of the tests.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use quire_domain::Output;
use quire_execution::{
    Execution, GuardedKernels, Kernel, KernelEvent, KernelOptions, KernelProgram, KernelProvider as _, KernelRequest,
    Outcome,
};
use tempfile::TempDir;

/// Time for anything that a test waits for. On a busy machine, a start alone takes seconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The Python that `scripts/test` names, or else the one of the environment that it would make.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        if let Some(python) = std::env::var_os("QUIRE_TEST_PYTHON") {
            return python.into();
        }
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let script =
            ". scripts/need.sh && need_python && install_needed && environment kernel scripts/kernel-requirements.txt";
        let made = Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(root).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        PathBuf::from(String::from_utf8(made.stdout).unwrap().trim()).join("bin/python3")
    })
}

/// Kernels in a directory of their own.
pub(crate) struct Kernels {
    pub(crate) provider: GuardedKernels,
    pub(crate) directory: TempDir,
}

pub(crate) fn options(directory: &Path) -> KernelOptions {
    let mut options =
        KernelOptions::new(env!("CARGO_BIN_EXE_kernel-host").into(), KernelProgram::Python(python().to_owned()));
    directory.clone_into(&mut options.run_directory);
    options
}

impl Kernels {
    pub(crate) fn new(change: impl FnOnce(&mut KernelOptions)) -> Self {
        let directory = TempDir::new().unwrap();
        let mut options = options(directory.path());
        change(&mut options);
        Self { provider: GuardedKernels::new(options), directory }
    }

    /// Ends the kernels, and waits until no process is left of any, and nothing in their directory.
    pub(crate) async fn end(self) {
        let Self { provider, directory } = self;
        drop(provider);
        nothing_left(directory.path()).await;
    }

    pub(crate) async fn start(&self) -> Box<dyn Kernel> {
        self.provider.start(&request()).await.unwrap()
    }
}

/// Waits until no process is left whose kernel was in this directory, and no file.
pub(crate) async fn nothing_left(directory: &Path) {
    let since = Instant::now();
    loop {
        let processes = processes_of(directory);
        let files = fs::read_dir(directory).unwrap().count();
        if processes.is_empty() && files == 0 {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{processes:?} and {files} files are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns the processes whose command line or environment names this directory: kernels, and what they have started.
fn processes_of(directory: &Path) -> Vec<String> {
    let name = directory.as_os_str().as_bytes();
    let has_name = |text: Vec<u8>| text.windows(name.len()).any(|part| part == name);
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let found = processes
        .filter(|process| ["environ", "cmdline"].iter().any(|file| fs::read(process.join(file)).is_ok_and(has_name)));
    found.map(|process| process.display().to_string()).collect()
}

pub(crate) fn request() -> KernelRequest {
    KernelRequest { user: "ann".to_owned(), notebook: "demo".to_owned() }
}

/// Results of an execution.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) outputs: Vec<Output>,
    pub(crate) outcome: Option<Outcome>,
    /// The reason, if the kernel ended.
    pub(crate) ended: Option<String>,
}

impl Ran {
    /// The outputs as `type: data`.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.outputs.iter().map(|output| format!("{}: {}", output.mime_type, output.data.as_str())).collect()
    }

    pub(crate) fn error(&self) -> &str {
        match &self.outcome {
            Some(Outcome::Error(text)) => text,
            other => panic!("{other:?} {:?}", self.ended),
        }
    }
}

/// Waits for the next event.
pub(crate) async fn next(kernel: &mut Box<dyn Kernel>) -> KernelEvent {
    tokio::time::timeout(PATIENCE, kernel.next_event()).await.unwrap()
}

/// Executes code as the cell at position 1, to its end.
pub(crate) async fn run(kernel: &mut Box<dyn Kernel>, code: &str) -> Ran {
    kernel.execute(Execution { code, position: Some(1) }).await;
    rest(kernel).await
}

/// Waits for the end of what is executed.
pub(crate) async fn rest(kernel: &mut Box<dyn Kernel>) -> Ran {
    let mut ran = Ran::default();
    loop {
        match next(kernel).await {
            KernelEvent::Stdout(text) => ran.stdout.push_str(&text),
            KernelEvent::Output(output) => ran.outputs.push(output),
            KernelEvent::Updated(index, output) => ran.outputs[index] = output,
            KernelEvent::Cleared => {
                ran.stdout.clear();
                ran.outputs.clear();
            }
            KernelEvent::Finished { outcome, .. } => ran.outcome = Some(outcome),
            KernelEvent::Ended(reason) => ran.ended = Some(reason),
        }
        if ran.outcome.is_some() || ran.ended.is_some() {
            return ran;
        }
    }
}
