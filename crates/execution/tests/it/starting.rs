//! Starting kernels: ahead, as many as allowed, of any installed kind, and the reasons why not.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use quire_execution::{Execution, KernelEvent, KernelProgram, KernelProvider as _, KernelRequest, Outcome, StartError};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kernels::{Kernels, PATIENCE, next, python, request, rest, run};

async fn failure(kernels: &Kernels) -> StartError {
    match kernels.provider.start(&request()).await {
        Ok(_) => panic!("started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn the_environment_has_nothing_of_the_server() {
    let kernels = Kernels::new(|options| options.environment = vec![("EXTRA".to_owned(), "1".to_owned())]);
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "import os\nprint(*sorted(os.environ))").await;
    let names: Vec<&str> = ran.stdout.split_whitespace().collect();
    // Cargo sets many, and CARGO_MANIFEST_DIR always.
    let own =
        ["EXTRA", "HOME", "JPY_PARENT_PID", "LANG", "MPLBACKEND", "PATH", "PLOTLY_RENDERER", "QUIRE_KERNEL", "TMPDIR"];
    assert!(own.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
    let code = "import resource, stat
def mode(path): return oct(stat.S_IMODE(os.stat(path).st_mode))
directory = os.path.dirname(os.environ['HOME'])
print(mode(directory), mode(directory + '/connection.json'), os.getcwd().startswith(directory))
print(resource.getrlimit(resource.RLIMIT_CORE)[0], open('/proc/self/oom_score_adj').read().strip())
print([name for name in globals() if not name.startswith('_') and name not in ('In', 'Out', 'exit', 'quit', 'get_ipython', 'open')])
import socket
sockets = [s for s in open('/proc/net/tcp').read().splitlines()[1:] if s.split()[3] == '0A']
inodes = {os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')}
print([s for s in sockets if f'socket:[{s.split()[9]}]' in inodes])
# Without a terminal and the rights of other users; the guardian is not to be read, and is first in line for want of memory too.
print(os.getsid(0) == os.getpid(), 'NoNewPrivs:\\t1\\n' in open('/proc/self/status').read())
limits = {line[:26].strip(): line[26:].split()[0] for line in open(f'/proc/{os.getppid()}/limits')}
print(limits['Max core file size'], limits['Max address space'], open(f'/proc/{os.getppid()}/oom_score_adj').read().strip())";
    let ran = run(&mut kernel, code).await;
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let expected = [
        "0o700 0o600 True",
        "0 1000",
        "['os', 'resource', 'stat', 'mode', 'directory']",
        "[]",
        "True True",
        "0 3221225472 1000",
    ];
    assert_eq!(lines, expected, "{:?}", ran.outcome);
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_kernel_has_a_copy_of_the_lists_of_fonts() {
    let lists = TempDir::new().unwrap();
    fs::write(lists.path().join("fontlist-v1.json"), "{}").unwrap();
    fs::write(lists.path().join("other"), "").unwrap();
    // What code in cells could have put there.
    let odd = |name: &str| lists.path().join(name);
    mknodat(CWD, odd("fontlist-pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    std::os::unix::fs::symlink(odd("fontlist-v1.json"), odd("fontlist-link")).unwrap();
    fs::File::create(odd("fontlist-huge")).unwrap().set_len(1 << 40).unwrap();
    let kernels = Kernels::new(|options| options.font_lists = Some(lists.path().to_owned()));
    let mut kernel = kernels.start().await;
    let ran = run(&mut kernel, "import os\nprint(os.listdir(os.path.expanduser('~/.cache/matplotlib')))").await;
    assert_eq!(ran.stdout, "['fontlist-v1.json']\n", "{:?}", ran.outcome);
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn kernels_are_counted_for_each_user_and_together() {
    let kernels = Kernels::new(|options| {
        options.max_kernels_per_user = 1;
        options.max_kernels = 2;
    });
    let first = kernels.start().await;
    let error = failure(&kernels).await;
    assert_eq!(error.to_string(), "you have 1 running kernels, as many as allowed: stop one of another notebook");
    let request_of = |user: &str| KernelRequest { user: user.to_owned(), notebook: "demo".to_owned() };
    let second = kernels.provider.start(&request_of("bob")).await.unwrap();
    let error = kernels.provider.start(&request_of("eve")).await.unwrap_err();
    assert!(
        matches!(&error, StartError::TooMany(why) if why.starts_with("the server runs 2 kernels, as many as it may")),
        "{error}"
    );
    drop(first);
    // It counts until it is gone, for which a start waits.
    let first = kernels.start().await;
    drop((first, second));
    kernels.end().await;
    let kernels = Kernels::new(|options| options.min_free_memory_bytes = u64::MAX / 2);
    let error = failure(&kernels).await;
    assert!(matches!(&error, StartError::TooMany(why) if why.starts_with("the machine has ")), "{error}");
    kernels.end().await;
}

#[tokio::test]
async fn kernels_that_were_started_ahead_are_handed_out_and_replaced() {
    let kernels = Kernels::new(|options| {
        options.warm_kernels = 1;
        // So that only the one that was started ahead can be had.
        options.max_kernels = 1;
    });
    kernels.provider.warm_up();
    let mut pids = Vec::new();
    for _ in 0..2 {
        let mut kernel = loop {
            // Until the kernel that is started ahead is being started.
            match kernels.provider.start(&request()).await {
                Ok(kernel) => break kernel,
                Err(error) => assert!(matches!(error, StartError::TooMany(_)), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let ran = run(&mut kernel, "import os\nprint(os.getpid())").await;
        pids.push(ran.stdout);
    }
    pids.dedup();
    assert_eq!(pids.len(), 2, "a kernel was handed out twice");
    kernels.end().await;
}

#[tokio::test]
async fn a_kernel_that_was_waited_for_in_vain_is_had_by_the_next() {
    let kernels = Kernels::new(|options| {
        options.warm_kernels = 1;
        options.max_kernels = 1;
    });
    kernels.provider.warm_up();
    let is_starting = async {
        while fs::read_dir(kernels.directory.path()).unwrap().next().is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_starting).await.unwrap();
    // Begins to wait, and gives up at once.
    let request = request();
    tokio::select! {
        biased;
        started = kernels.provider.start(&request) => drop(started),
        () = std::future::ready(()) => {}
    }
    let mut kernel = kernels.start().await;
    assert_eq!(run(&mut kernel, "1").await.outcome, Some(Outcome::Success));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_kernel_that_was_started_ahead_and_has_died_is_not_handed_out() {
    let kernels = Kernels::new(|options| options.warm_kernels = 1);
    kernels.provider.warm_up();
    let ready = async {
        loop {
            let found = fs::read_dir(kernels.directory.path()).unwrap().flatten().next().map(|entry| entry.path());
            // A kernel makes its sockets before it takes code.
            if let Some(directory) = found.filter(|directory| directory.join("s-5").exists()) {
                return directory;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let directory = tokio::time::timeout(PATIENCE, ready).await.unwrap();
    let marker = format!("QUIRE_KERNEL={}", directory.file_name().unwrap().display());
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(&marker) {
            let pid = process.file_name().to_str().unwrap().parse().unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
    }
    let mut kernel = kernels.start().await;
    assert_eq!(run(&mut kernel, "1").await.outcome, Some(Outcome::Success));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn any_installed_kernel_can_be_used() {
    let kernels = Kernels::new(|options| {
        let spec = options.run_directory.join("spec");
        fs::create_dir(&spec).unwrap();
        // Interrupted by a message, as kernels are that no signal reaches.
        let text = r#"{"argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Odd", "language": "python",
            "env": {"ODD": "yes"}, "interrupt_mode": "message"}"#;
        fs::write(spec.join("kernel.json"), text).unwrap();
        options.program = KernelProgram::Spec(spec, Some(python().to_owned()));
    });
    let mut kernel = kernels.start().await;
    assert_eq!(run(&mut kernel, "import os, time\nprint(os.environ['ODD'])").await.stdout, "yes\n");
    kernel.execute(Execution { code: "print('begun', flush=True)\ntime.sleep(60)", position: Some(1) }).await;
    assert!(matches!(next(&mut kernel).await, KernelEvent::Stdout(_)));
    kernel.interrupt().await;
    assert_eq!(rest(&mut kernel).await.outcome, Some(Outcome::Interrupted));
    drop(kernel);
    fs::remove_dir_all(kernels.directory.path().join("spec")).unwrap();
    kernels.end().await;
    // By its name: ipykernel installs one for its Python.
    let kernels =
        Kernels::new(|options| options.program = KernelProgram::Spec("python3".into(), Some(python().to_owned())));
    let mut kernel = kernels.start().await;
    assert_eq!(run(&mut kernel, "1").await.outcome, Some(Outcome::Success));
    drop(kernel);
    kernels.end().await;
}

#[tokio::test]
async fn a_start_that_fails_says_what_to_do() {
    for (program, expected) in [
        (KernelProgram::Missing("install it".to_owned()), "install it"),
        (
            KernelProgram::Python("/nowhere/python".into()),
            "there is no Python at /nowhere/python: name one that has ipykernel installed (--python)",
        ),
        (KernelProgram::Spec("/nowhere".into(), None), "the kernel /nowhere/kernel.json cannot be used: "),
    ] {
        let kernels = Kernels::new(|options| options.program = program);
        let error = failure(&kernels).await;
        assert!(matches!(&error, StartError::NotInstalled(why) if why.starts_with(expected)), "{error}");
        kernels.end().await;
    }
    // A Python that has no packages: isolated from its environment's.
    let kernels = Kernels::new(|options| {
        let wrapper = options.run_directory.join("python");
        fs::write(&wrapper, format!("#!/bin/sh\nexec {} -S \"$@\"\n", python().display())).unwrap();
        fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        options.program = KernelProgram::Python(wrapper);
    });
    let error = failure(&kernels).await;
    assert!(
        matches!(&error, StartError::NotInstalled(why) if why.contains("python -m pip install ipykernel")),
        "{error}"
    );
    fs::remove_file(kernels.directory.path().join("python")).unwrap();
    kernels.end().await;

    // Longer than the path of a socket may be.
    let kernels = Kernels::new(|options| options.run_directory.push("x".repeat(80)));
    fs::create_dir(kernels.directory.path().join("x".repeat(80))).unwrap();
    let error = failure(&kernels).await;
    assert!(
        error.to_string().contains("more than the 107 that the system allows: choose a shorter directory"),
        "{error}"
    );
    fs::remove_dir_all(kernels.directory.path().join("x".repeat(80))).unwrap();
    kernels.end().await;

    let kernels = Kernels::new(|options| options.guardian = PathBuf::from("/nowhere/guardian"));
    assert!(matches!(failure(&kernels).await, StartError::Failed(_)));
    kernels.end().await;
}

#[tokio::test]
async fn a_kernel_that_says_nothing_is_given_up() {
    let kernels = Kernels::new(|options| {
        let spec = options.run_directory.join("spec");
        fs::create_dir(&spec).unwrap();
        fs::write(spec.join("kernel.json"), r#"{"argv": ["/bin/sleep", "600"]}"#).unwrap();
        options.program = KernelProgram::Spec(spec, None);
        options.start_timeout = Duration::from_secs(1);
    });
    assert_eq!(failure(&kernels).await.to_string(), "the kernel did not start: it did not answer within 1 seconds");
    fs::remove_dir_all(kernels.directory.path().join("spec")).unwrap();
    kernels.end().await;
}
