//! Interrupting what a kernel executes.

use std::time::{Duration, Instant};

use quire_execution::{Execution, Kernel, KernelEvent, Outcome};

use crate::kernels::{Kernels, Ran, next, rest, run};

/// Prints before an interrupt may come; on another thread, since the interrupt would find this one in the middle of printing. The kernel's
/// own thread sends the text after the first flush, and the second one waits for that.
const BEGUN: &str = "import asyncio, re, signal, subprocess, sys, threading, time
def say():
    print('begun', flush=True)
    sys.stdout.flush()
def begun():
    thread = threading.Thread(target=say)
    thread.start()
    thread.join()";

async fn start(kernels: &Kernels) -> Box<dyn Kernel> {
    let mut kernel = kernels.start().await;
    assert_eq!(run(&mut kernel, BEGUN).await.outcome, Some(Outcome::Success));
    kernel
}

/// Executes code that calls `begun`, interrupts it then, and waits for the end.
async fn interrupted(kernel: &mut Box<dyn Kernel>, code: &str) -> (Ran, Duration) {
    kernel.execute(Execution { code, position: Some(1) }).await;
    let mut text = String::new();
    while text != "begun\n" {
        match next(kernel).await {
            KernelEvent::Stdout(more) => text.push_str(&more),
            other => panic!("{code}: {text:?}, then {other:?}"),
        }
    }
    let since = Instant::now();
    kernel.interrupt().await;
    let ran = rest(kernel).await;
    (ran, since.elapsed())
}

#[tokio::test]
async fn what_waits_or_computes_is_interrupted_and_the_namespace_stays() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = start(&kernels).await;
    for code in [
        "begun()\nwhile True: pass",
        "begun()\ntime.sleep(60)",
        // Holds the interpreter's lock, so that a message of the control socket would never be read.
        "begun()\nre.fullmatch('(a|aa)+b', 'a' * 60)",
        "begun()\nawait asyncio.sleep(60)",
        "async def f():\n    while True:\n        await asyncio.sleep(0.01)\nbegun()\nawait f()",
        "begun()\nsubprocess.run(['sleep', '60'])",
    ] {
        let (ran, took) = interrupted(&mut kernel, code).await;
        assert_eq!((ran.outcome, ran.ended), (Some(Outcome::Interrupted), None), "{code}");
        assert!(took < Duration::from_secs(2), "{code}: {took:?}");
    }
    assert_eq!(run(&mut kernel, "callable(begun)").await.shown(), [r#"text/plain: "True""#]);
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn an_interrupt_at_once_after_the_request_is_not_lost() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = kernels.start().await;
    for _ in 0..5 {
        kernel.execute(Execution { code: "while True: pass", position: Some(1) }).await;
        kernel.interrupt().await;
        let ran = rest(&mut kernel).await;
        assert_eq!((ran.outcome, ran.ended), (Some(Outcome::Interrupted), None));
    }
    // Nothing is executed.
    kernel.interrupt().await;
    assert_eq!(run(&mut kernel, "1").await.outcome, Some(Outcome::Success));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn code_that_handles_the_interrupt_ends_as_it_likes() {
    let kernels = Kernels::new(|_| ());
    let mut kernel = start(&kernels).await;
    let code = "try:\n    begun()\n    while True: pass\nexcept KeyboardInterrupt:\n    print('handled')";
    let (ran, _) = interrupted(&mut kernel, code).await;
    assert_eq!((ran.outcome, ran.stdout.as_str()), (Some(Outcome::Success), "handled\n"));
    let ran = run(&mut kernel, "raise KeyboardInterrupt").await;
    assert!(ran.error().contains("KeyboardInterrupt"), "{ran:?}");
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn code_that_ignores_the_interrupt_ends_with_its_kernel() {
    let kernels = Kernels::new(|_| ());
    let (mut deaf, mut deafer) = (start(&kernels).await, start(&kernels).await);
    let ignores_one = "signal.signal(signal.SIGINT, signal.SIG_IGN)\nbegun()\nwhile True: pass";
    let ignores_both = format!("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{ignores_one}");
    let (one, other) = tokio::join!(interrupted(&mut deaf, ignores_one), interrupted(&mut deafer, &ignores_both));
    for ((ran, took), at_least) in [(one, 2), (other, 5)] {
        assert_eq!(ran.ended.as_deref(), Some("the kernel did not stop when it was interrupted, and was ended"));
        assert!(took >= Duration::from_secs(at_least), "{took:?}");
    }
    drop((deaf, deafer));
    kernels.end().await;
}
