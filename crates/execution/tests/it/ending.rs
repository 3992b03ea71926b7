//! The end of kernels, whoever brings it about.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quire_execution::{Execution, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kernels::{Kernels, PATIENCE, nothing_left, python, rest, run};

fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a process is gone.
async fn gone(pid: u32) {
    let since = Instant::now();
    while lives(pid) {
        assert!(since.elapsed() < PATIENCE, "process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
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
    kernels.end().await;
}

#[tokio::test]
async fn exit_is_a_success_and_the_end() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "exit(keep_kernel=True)").await;
    assert_eq!((ran.outcome, ran.ended), (Some(Outcome::Success), None));
    let ran = run(&mut kernel, "print('bye')\nexit()").await;
    assert_eq!((ran.outcome, ran.stdout.as_str()), (Some(Outcome::Success), "bye\n"));
    let ran = rest(&mut kernel).await;
    assert_eq!(ran.ended.as_deref(), Some("the code called `exit()`, which ended the kernel"));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn all_processes_of_a_kernel_end_with_it() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, DAEMON).await;
    let pids: Vec<u32> = ran.stdout.split_whitespace().map(number).collect();
    let [daemon, own, guardian] = pids[..] else { panic!("{ran:?}") };
    assert!(kernel.memory_bytes() > 20 * 1024 * 1024);
    drop(kernel);
    for pid in [daemon, own, guardian] {
        gone(pid).await;
    }
    kernels.end().await;
}

/// Code that leaves a daemon behind, in an environment without any trace of the kernel, and prints its own process and that.
const DAEMON: &str = "import os, time
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(w, str(os.getpid()).encode())
        os.execve('/bin/sleep', ['sleep', '600'], {})
    os._exit(0)
print(os.read(r, 10).decode(), os.getpid(), os.getppid())";

#[tokio::test]
async fn nothing_is_left_when_the_server_is_killed() {
    let directory = TempDir::new().unwrap();
    let mut host = Command::new(env!("CARGO_BIN_EXE_kernel-host"))
        .args([python().as_os_str(), directory.path().as_os_str(), DAEMON.as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let pids: Vec<u32> = lines.next().unwrap().unwrap().split_whitespace().map(number).collect();
    host.kill().unwrap();
    host.wait().unwrap();
    for pid in pids {
        gone(pid).await;
    }
    nothing_left(directory.path()).await;
}

#[tokio::test]
async fn nothing_is_left_when_the_server_is_killed_while_a_kernel_starts() {
    for _ in 0..10 {
        let directory = TempDir::new().unwrap();
        let mut host = Command::new(env!("CARGO_BIN_EXE_kernel-host"))
            .args([python().as_os_str(), directory.path().as_os_str(), "1".as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        while fs::read_dir(directory.path()).unwrap().count() == 0 {
            std::thread::yield_now();
        }
        host.kill().unwrap();
        host.wait().unwrap();
        nothing_left(directory.path()).await;
    }
}

#[tokio::test]
async fn a_guardian_that_is_asked_to_end_ends_its_kernel() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\nwhile True: pass").await;
    assert_eq!(ran.ended.as_deref(), Some("the kernel was stopped from outside, as when the machine stops"));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn nothing_is_left_when_the_guardian_is_killed() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, DAEMON).await;
    let pids: Vec<u32> = ran.stdout.split_whitespace().map(number).collect();
    let [daemon, own, _] = pids[..] else { panic!("{ran:?}") };
    // Far deeper than a path can be, which is removed all the same. The guardian, which would end the kernel for it, is stopped before.
    let code = "import signal
os.kill(os.getppid(), signal.SIGSTOP)
for _ in range(70_000): os.mkdir('d'); os.chdir('d')
os.kill(os.getppid(), signal.SIGKILL)";
    kernel.execute(Execution { code, position: Some(1) }).await;
    let ran = rest(&mut kernel).await;
    assert_eq!(ran.ended.as_deref(), Some("the kernel's guardian was killed"));
    for pid in [daemon, own] {
        gone(pid).await;
    }
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_guardian_that_does_not_react_is_killed_and_counts_until_then() {
    let kernels = Kernels::new(|options| options.max_kernels = 2);
    let (mut interrupted, mut dropped) = (kernels.start().await, kernels.start().await);
    let mut pids = Vec::new();
    for kernel in [&mut interrupted, &mut dropped] {
        let ran = run(kernel, DAEMON).await;
        let of_kernel: Vec<u32> = ran.stdout.split_whitespace().map(number).collect();
        signal(of_kernel[2], Signal::STOP);
        pids.extend(of_kernel);
    }
    drop(dropped);
    // It takes the place of the one that was dropped.
    let started = kernels.start().await;
    for &pid in &pids[3..] {
        assert!(!lives(pid), "{pid}");
    }
    interrupted.execute(Execution { code: "1", position: Some(1) }).await;
    interrupted.interrupt().await;
    let ran = rest(&mut interrupted).await;
    assert_eq!(ran.ended.as_deref(), Some("the kernel did not react when it was interrupted, and was killed"));
    for &pid in &pids[..3] {
        gone(pid).await;
    }
    drop((interrupted, started));
    kernels.end().await;
}
