//! Support for whole-system tests: the real binaries as child processes, and a client for them.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test that cannot go on panics")]

mod balancer;
mod client;
pub mod history;
pub mod neighbour;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub use balancer::Balancer;
pub use client::{Client, Reply};

/// Time-out for the start or end of a server.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time-out for building the binaries.
const BUILD_PATIENCE: Duration = Duration::from_mins(20);

/// A running `quire-server` on its own port; killed when this value is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    client: Client,
    log: Option<JoinHandle<()>>,
    logged: Arc<Mutex<String>>,
}

impl Server {
    /// Starts the server with these arguments, on a free port.
    pub fn start<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(binary("quire-server"));
        command.args(arguments);
        Self::spawn(command)
    }

    /// Starts the server on a directory of notebooks.
    #[must_use]
    pub fn on(directory: &Path) -> Self {
        Self::start([OsStr::new("--notebooks-dir"), directory.as_os_str()])
    }

    /// Starts the server on the database of this URL.
    #[must_use]
    pub fn on_database(url: &str) -> Self {
        Self::on_database_with(url, &[])
    }

    /// As [`on_database`](Self::on_database), with these arguments.
    #[must_use]
    pub fn on_database_with(url: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary("quire-server"));
        command.env("DATABASE_URL", url).args(arguments);
        Self::spawn(command)
    }

    /// Starts the server by a command that finally executes it; the environment makes it choose a free port.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let command = command.env("QUIRE_PORT", "0").env_remove("PORT").stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let log = child.stdout.take().expect("the log is piped");
        let (found, addresses) = mpsc::channel();
        let seen: Arc<Mutex<String>> = Arc::default();
        let lines = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            // The log is read to its end, so that the server never blocks on writing it.
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if let Some(address) = address_in(&line) {
                    let _ = found.send(address); // only the first address is awaited
                }
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push_str(&line);
                lines.push('\n');
            }
        });
        let log = || seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let address = match addresses.recv_timeout(PATIENCE) {
            Ok(address) => address,
            Err(RecvTimeoutError::Disconnected) => panic!("the server ended before it listened:\n{}", log()),
            Err(RecvTimeoutError::Timeout) => panic!("the server does not listen:\n{}", log()),
        };
        Self { child, client: Client::of(&address), log: Some(reader), logged: seen }
    }

    /// Asks the server to end, as an operator would, and returns its log.
    #[must_use]
    pub fn terminate_and_log(mut self) -> String {
        assert!(self.ask_to_end().success(), "the server did not end well");
        if let Some(reader) = self.log.take() {
            reader.join().expect("the log is read to its end");
        }
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        self.client.address()
    }

    /// Returns a client of the server, which may outlive it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the process's id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends the process a signal, without waiting for its effect.
    ///
    /// # Panics
    ///
    /// If the process has been waited for already.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server is our child");
    }

    /// Kills the server, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("the server can be killed");
        wait(&mut self.child, PATIENCE);
    }

    /// Asks the server to end, as an operator would, and returns `true` if it reported success.
    #[must_use]
    pub fn terminate(mut self) -> bool {
        self.ask_to_end().success()
    }

    fn ask_to_end(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        wait(&mut self.child, PATIENCE)
    }

    /// Sends a request; `None` if the server did not answer.
    #[must_use]
    pub fn try_send(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let reply = self.client.send(method, path, &[], body)?;
        Some((reply.status, reply.body))
    }

    /// Sends a request and returns status and body.
    #[must_use]
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_send(method, path, body).expect("the server answers with JSON")
    }

    /// Sends a request that must succeed, and returns the body.
    #[expect(clippy::must_use_candidate, reason = "the assertion alone is worth a call")]
    pub fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.send(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = ended(&mut self.child, PATIENCE); // a second panic would end all tests
    }
}

/// Waits for a process to end.
fn wait(child: &mut Child, patience: Duration) -> ExitStatus {
    ended(child, patience).unwrap_or_else(|| panic!("process {} does not end", child.id()))
}

fn ended(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(None) if started.elapsed() < patience => std::thread::sleep(Duration::from_millis(1)),
            outcome => return outcome.ok().flatten(),
        }
    }
}

fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening")?.1.split_once("127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    if port.is_empty() || port == "0" { None } else { Some(format!("127.0.0.1:{port}")) }
}

/// Returns the path of one of the workspace's binaries, built in the same profile as this test and up to date.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let this = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/<this test>
    let profile = this.parent().and_then(Path::parent).expect("tests are built below the profile's folder");
    BUILT.call_once(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
        // These are variables that cargo sets for this test's package. Build scripts (ring's) watch them, and would run
        // again, with everything that depends on them, because they are not set in a build by hand.
        for (name, _) in std::env::vars_os() {
            if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                build.env_remove(name);
            }
        }
        build.arg("--target-dir").arg(profile.parent().expect("profiles are below the target folder"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("Cargo.toml");
        let mut build = build.arg("--manifest-path").arg(manifest).spawn().expect("cargo runs");
        assert!(wait(&mut build, BUILD_PATIENCE).success(), "the binaries do not build");
    });
    profile.join(name)
}
