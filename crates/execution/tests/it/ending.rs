//! The end of kernels, whoever brings it about.

use std::fs;
use std::time::{Duration, Instant};

use quire_execution::Outcome;

use crate::kernels::{Kernels, PATIENCE, rest, run};

/// Waits until a process is gone.
async fn gone(pid: u32) {
    let since = Instant::now();
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(since.elapsed() < PATIENCE, "process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn number(text: &str) -> u32 {
    text.trim().parse().unwrap()
}

#[tokio::test]
async fn a_kernel_that_dies_says_why() {
    let kernels = Kernels::new(|options| options.limits.memory_bytes = 300 * 1024 * 1024);
    for (code, reason) in [
        ("import os; os._exit(3)", "the kernel ended with exit code 3"),
        ("import ctypes; ctypes.string_at(0)", "the kernel ended by signal 11 (SIGSEGV, an invalid memory access)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the kernel was killed by signal 9 (SIGKILL)"),
        (
            "import time\nx = bytearray(400 * 1024 * 1024)\ntime.sleep(60)",
            "the kernel used more than its 300 MiB of memory and was ended",
        ),
    ] {
        let mut kernel = kernels.start().await;
        let ran = run(&mut kernel, code).await;
        assert_eq!((ran.outcome, ran.ended.as_deref()), (None, Some(reason)), "{code}");
    }
}

#[tokio::test]
async fn exit_is_a_success_and_the_end() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "print('bye')\nexit()").await;
    assert_eq!((ran.outcome, ran.stdout.as_str()), (Some(Outcome::Success), "bye\n"));
    let ran = rest(&mut kernel).await;
    assert_eq!(ran.ended.as_deref(), Some("the code called `exit()`, which ended the kernel"));
}

#[tokio::test]
async fn all_processes_of_a_kernel_end_with_it() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    // A daemon: the child of a child that has ended, in a session of its own.
    let code = "import os, time\nr, w = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.write(w, str(os.getpid()).encode())\n        time.sleep(600)\n    os._exit(0)\nprint(os.read(r, 10).decode(), os.getpid(), os.getppid())";
    let ran = run(&mut kernel, code).await;
    let pids: Vec<u32> = ran.stdout.split_whitespace().map(number).collect();
    let [daemon, own, guardian] = pids[..] else { panic!("{ran:?}") };
    assert!(kernel.memory_bytes() > 20 * 1024 * 1024);
    drop(kernel);
    for pid in [daemon, own, guardian] {
        gone(pid).await;
    }
}
