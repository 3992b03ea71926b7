//! Bounds: what one kernel may take of the machine, and that the others do not notice.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quire_execution::{Execution, Kernel, KernelEvent, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kernels::{Kernels, next, nothing_left, python, rest, run};

const MIB: u64 = 1024 * 1024;

/// Executes trivial code until `done`, and returns the longest time that it took.
async fn beside(kernel: &mut Box<dyn Kernel>, mut done: impl FnMut() -> bool) -> Duration {
    let mut longest = Duration::ZERO;
    while !done() {
        let since = Instant::now();
        assert_eq!(run(kernel, "1").await.outcome, Some(Outcome::Success));
        longest = longest.max(since.elapsed());
    }
    longest
}

#[tokio::test]
async fn a_fork_bomb_ends_its_own_kernel_alone() {
    let kernels = Kernels::new(|options| options.limits.processes = 50);
    let (mut bomb, mut healthy) = (kernels.start().await, kernels.start().await);
    // It ends by itself, for the machine's sake, should the guardian not end it.
    let code = "import os, time\nsince = time.time()\nwhile time.time() - since < 5: os.fork()\ntime.sleep(60)";
    bomb.execute(Execution { code, position: Some(1) }).await;
    let ended = tokio::spawn(async move { rest(&mut bomb).await.ended });
    let longest = beside(&mut healthy, || ended.is_finished()).await;
    assert!(longest < Duration::from_secs(20), "{longest:?}");
    assert_eq!(ended.await.unwrap().as_deref(), Some("the kernel started more than its 50 processes and was ended"));
    drop(healthy);
    kernels.end().await;
}

#[tokio::test]
async fn threads_are_bounded() {
    let kernels = Kernels::new(|options| options.limits.threads = 60);
    let mut kernel = kernels.start().await;
    let code = "import threading, time\nfor _ in range(80): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ntime.sleep(60)";
    let ran = run(&mut kernel, code).await;
    assert_eq!(ran.ended.as_deref(), Some("the kernel started more than its 60 threads and was ended"));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn files_are_bounded_one_by_one_and_together() {
    let kernels = Kernels::new(|options| {
        options.limits.file_bytes = 5 * MIB;
        options.limits.directory_bytes = 20 * MIB;
    });
    let (mut filler, mut healthy) = (kernels.start().await, kernels.start().await);
    let ran = run(&mut filler, "with open('big', 'wb') as file:\n    file.write(bytes(6 * 1024 * 1024))").await;
    assert!(ran.error().ends_with("OSError: [Errno 27] File too large"), "{}", ran.error());
    let code = "import time\nfor i in range(6):\n    with open(f'part{i}', 'wb') as file: file.write(bytes(4 * 1024 * 1024))\ntime.sleep(60)";
    let ran = run(&mut filler, code).await;
    assert_eq!(ran.ended.as_deref(), Some("the kernel's files took more than their 20 MiB and it was ended"));
    assert_eq!(run(&mut healthy, "1").await.outcome, Some(Outcome::Success));
    let ran = run(
        &mut healthy,
        "import resource\nfor _ in range(5000): open('/dev/null')\nx = [open('/dev/null') for _ in range(5000)]",
    )
    .await;
    assert!(ran.error().contains("Too many open files"), "{}", ran.error());
    drop((filler, healthy));
    kernels.end().await;
}

#[tokio::test]
async fn memory_is_bounded_in_the_kernel_and_in_what_it_starts() {
    let kernels = Kernels::new(|options| {
        options.limits.memory_bytes = 300 * MIB;
        options.limits.address_space_bytes = 8 * 1024 * MIB;
    });
    let mut kernel = kernels.start().await;
    // Reserved memory alone is refused beyond a generous limit, which is no end.
    let ran = run(&mut kernel, "x = bytearray(9 * 1024**3)").await;
    assert!(ran.error().contains("MemoryError"), "{}", ran.error());
    let directory = run(&mut kernel, "import os\nprint(os.getcwd())").await.stdout;
    let code = "import subprocess, sys, time\nprint('x' * 2_000_000)\nwhile not os.path.exists('go'): time.sleep(0.01)
subprocess.run([sys.executable, '-c', 'import time; x = bytearray(400 * 1024**2); time.sleep(60)'])";
    kernel.execute(Execution { code, position: Some(1) }).await;
    // The kernel keeps what is printed for a moment before it sends it.
    let KernelEvent::Stdout(_) = next(&mut kernel).await else { panic!("nothing printed") };
    fs::write(Path::new(directory.trim()).join("go"), "").unwrap();
    let ran = rest(&mut kernel).await;
    assert_eq!(ran.ended.as_deref(), Some("the kernel used more than its 300 MiB of memory and was ended"));
    // What it had printed is told to its end.
    assert!(ran.stdout.ends_with("[2,000,001 bytes were printed]\n"), "{} bytes", ran.stdout.len());
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn processor_time_is_bounded() {
    let kernels = Kernels::new(|options| options.limits.cpu_seconds = 3);
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "while True: pass").await;
    assert_eq!(ran.ended.as_deref(), Some("the kernel used more than its 3 seconds of processor time and was ended"));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_slow_reader_loses_nothing_but_what_is_too_much() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let code = "from IPython.display import display\nh = display('', display_id=True)
for i in range(3000):
    h.update('x' * 10_000 + str(i))
print('end')";
    kernel.execute(Execution { code, position: Some(1) }).await;
    // Not read at all until the kernel has long been waiting, if it did wait.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let ran = rest(&mut kernel).await;
    assert_eq!((ran.outcome, ran.stdout.as_str()), (Some(Outcome::Success), "end\n"));
    assert!(ran.outputs[0].data.as_str().ends_with("2999'\""));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_run_ends_when_the_kernel_has_dropped_the_message_that_says_so() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "import os, time\nprint(os.getppid(), os.getcwd())").await;
    let (guardian, directory) = ran.stdout.trim().split_once(' ').unwrap();
    let guardian = Pid::from_raw(guardian.parse().unwrap()).unwrap();
    // The guardian reads nothing while far more is shown than the kernel keeps for a reader.
    let code = "open('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)
for i in range(5000): display({'text/plain': 'x' * 1000}, raw=True)
open('done', 'w').close()";
    kernel.execute(Execution { code, position: Some(1) }).await;
    let there = |name: &str| {
        let path = Path::new(directory).join(name);
        async move {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    there("begun").await;
    kill_process(guardian, Signal::STOP).unwrap();
    fs::write(Path::new(directory).join("go"), "").unwrap();
    there("done").await;
    // The last messages of the kernel are on their way, or dropped.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let since = Instant::now();
    kill_process(guardian, Signal::CONT).unwrap();
    let ran = rest(&mut kernel).await;
    assert_eq!(ran.outcome, Some(Outcome::Success));
    assert!(since.elapsed() > Duration::from_secs(4), "the kernel has dropped nothing");
    assert_eq!(run(&mut kernel, "1").await.shown(), [r#"text/plain: "1""#]);
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_huge_message_costs_the_server_little() {
    let directory = TempDir::new().unwrap();
    let code = "print('x' * 100_000_000)\ndisplay({'text/plain': 'x' * 100_000_000}, raw=True)";
    let host = Command::new(env!("CARGO_BIN_EXE_kernel-host"))
        .args([python().as_os_str(), directory.path().as_os_str(), code.as_ref()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(host.stdout).unwrap();
    assert!(text.contains("Success"), "{}", String::from_utf8_lossy(&host.stderr));
    let (_, peak) = text.rsplit_once("peak ").unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 64 * 1024, "{peak_kib} KiB");
    nothing_left(directory.path()).await;
}
