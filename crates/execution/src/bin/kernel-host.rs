//! The program behind this crate's tests: the guardian of their kernels, and a small server that a test can kill.
//!
//! `kernel-host PYTHON DIRECTORY CODE` runs code in a kernel, prints what it prints and how it ended, then the peak of its own memory as
//! `peak KIB`, and waits for the end of its input.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::{env, fs, io};

use quire_execution::{
    Execution, GUARD_ARGUMENT, GuardedKernels, KernelEvent, KernelOptions, KernelProgram, KernelProvider as _,
    KernelRequest, protect_memory,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [first, ..] if first == GUARD_ARGUMENT => quire_execution::guard(),
        [python, directory, code] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime.and_then(|runtime| runtime.block_on(serve(python, directory, code))) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error.to_string()),
            }
        }
        _ => failed("usage: kernel-host PYTHON DIRECTORY CODE"),
    }
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "kernel-host: {why}");
    ExitCode::FAILURE
}

async fn serve(python: &str, directory: &str, code: &str) -> io::Result<()> {
    // As a real server does: kernels must start below one.
    protect_memory()?;
    let mut options = KernelOptions::new(env::current_exe()?, KernelProgram::Python(python.into()));
    options.run_directory = directory.into();
    let kernels = GuardedKernels::new(options);
    let request = KernelRequest { user: "ann".to_owned(), notebook: "demo".to_owned() };
    let mut kernel = kernels.start(&request).await.map_err(io::Error::other)?;
    kernel.execute(Execution { code, position: Some(1) }).await;
    let mut out = io::stdout().lock();
    loop {
        match kernel.next_event().await {
            KernelEvent::Stdout(text) => out.write_all(text.as_bytes())?,
            KernelEvent::Finished { outcome, .. } => {
                writeln!(out, "{outcome:?}")?;
                break;
            }
            KernelEvent::Ended(reason) => return Err(io::Error::other(reason)),
            KernelEvent::Output(_) | KernelEvent::Updated(..) | KernelEvent::Cleared => {}
        }
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    writeln!(out, "peak {}", peak.unwrap_or_default().trim())?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
