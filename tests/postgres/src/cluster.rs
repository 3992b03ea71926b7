//! The process of a throw-away server, its data folder, and its start and end.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::{PATIENCE, User, free_port, postgres_programs, random_name};
use crate::server::URL_VARIABLE;
use crate::tls;
use crate::watchdog::Watchdog;

/// The only user of a throw-away server, a superuser.
pub(crate) const SUPERUSER: &str = "quire";

/// Maximum attempts to start a server whose port another process takes first.
const PORT_ATTEMPTS: usize = 10;

/// Settings of a server for one test.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Lines for `postgresql.conf`; they override this crate's.
    pub conf: Vec<String>,
    /// `true` if commits are flushed to the disk. Only a crash of the machine itself needs that:
    /// [`kill`](crate::Server::kill) loses no commit either way.
    pub fsync: bool,
    /// `true` if the server offers TLS, with a certificate for `localhost`.
    pub tls: bool,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    user: Option<User>,
    pub(crate) port: u16,
    pub(crate) password: String,
    tls: bool,
    process: Mutex<Option<Child>>,
    watchdog: Watchdog,
}

impl Cluster {
    pub(crate) fn start(settings: &Settings) -> Self {
        let programs = postgres_programs().unwrap_or_else(|| {
            panic!(
                "these tests need PostgreSQL's server: install it (on Debian and Ubuntu: apt-get install postgresql), \
                 or set {URL_VARIABLE} to the URL of a superuser of a server to use"
            )
        });
        let cluster = Self::without_data(programs, random_name(), settings.tls);
        cluster.initialise();
        cluster.configure(settings);
        cluster.launched()
    }

    /// Starts a streaming standby of this server, and returns when it answers queries.
    pub(crate) fn standby(&self) -> Self {
        assert!(!self.tls, "a standby with TLS is not supported");
        // A folder on the `PATH` may contain links to some of the programs only.
        let postgres = fs::canonicalize(self.programs.join("postgres")).expect("the server runs");
        let programs = postgres.parent().map_or_else(|| self.programs.clone(), Path::to_path_buf);
        let standby = Self::without_data(programs, self.password.clone(), false);
        let mut backup = standby.command("pg_basebackup");
        backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--host=127.0.0.1"]);
        backup.args([&format!("--port={}", self.port), "--username", SUPERUSER, "--pgdata"]).arg(standby.data());
        let Output { status, stderr, .. } =
            backup.env("PGPASSWORD", &self.password).output().expect("pg_basebackup comes with the server");
        assert!(status.success(), "pg_basebackup failed:\n{}", String::from_utf8_lossy(&stderr));
        // The backup contains the primary's configuration; the last line of a setting is the one that counts.
        standby.configure(&Settings::default());
        standby.launched()
    }

    fn without_data(programs: PathBuf, password: String, tls: bool) -> Self {
        let user = User::to_run_servers();
        let watchdog = Watchdog::with_folder("QUIT");
        if let Some(user) = user {
            user.own(watchdog.folder());
        }
        Self { programs, user, port: free_port(), password, tls, process: Mutex::new(None), watchdog }
    }

    /// Starts the server for the first time, on a port that no other process takes.
    fn launched(mut self) -> Self {
        for _ in 1..PORT_ATTEMPTS {
            match self.launch() {
                Ok(()) => return self,
                // Another process took the port first. The message is in English, because the server's locale is C.
                Err(log) if log.contains("could not bind") => self.port = free_port(),
                Err(log) => panic!("PostgreSQL does not start:\n{log}"),
            }
        }
        panic!("PostgreSQL finds no free port");
    }

    /// Returns the server's log since its last start.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.log_file()).expect("the server writes its log");
        String::from_utf8_lossy(&log).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.watchdog.folder().join("log")
    }

    /// Returns the path of a file that [`tls`] wrote.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        assert!(self.tls, "this server was started without TLS");
        self.watchdog.folder().join(name)
    }

    /// Ends the server and all its children as a crash would.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut postmaster = process.take().expect("the server runs");
        let id = pid(postmaster.id());
        // A stopped process starts no more children. Once it is dead, its children cannot be identified any more.
        kill_process(id, Signal::STOP).expect("it is our own");
        wait_until("PostgreSQL does not stop", || {
            state(postmaster.id()).is_none_or(|(state, _)| "TtZ".contains(state))
        });
        let children = children(postmaster.id());
        for child in [postmaster.id()].iter().chain(&children) {
            let _ = kill_process(pid(*child), Signal::KILL); // it may have ended by itself
        }
        postmaster.wait().expect("it is our own");
        // A child holds the shared memory until it has ended, and a new server refuses to start on memory in use.
        wait_until("PostgreSQL's children do not end", || children.iter().all(|child| has_ended(*child)));
        self.watchdog.watch(None);
    }

    /// Ends the server in order, if it runs.
    pub(crate) fn stop(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut postmaster) = process.take() {
            end(&mut postmaster, Signal::INT);
            self.watchdog.watch(None);
        }
    }

    /// Starts the server again, with the same data and on the same port.
    pub(crate) fn restart(&self) {
        self.stop();
        if let Err(log) = self.launch() {
            panic!("PostgreSQL does not start again:\n{log}");
        }
    }

    fn data(&self) -> PathBuf {
        self.watchdog.folder().join("data")
    }

    /// Returns a command that runs as the right user, in the server's folder, and without this process's environment
    /// variables for clients.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.watchdog.folder()).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        if let Some(user) = self.user {
            user.run(&mut command);
        }
        command
    }

    fn initialise(&self) {
        let password = self.watchdog.folder().join("password");
        fs::write(&password, &self.password).expect("the folder is new");
        if let Some(user) = self.user {
            user.own(&password);
        }
        let mut initdb = self.command("initdb");
        initdb.args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth=scram-sha-256",
            "--username",
            SUPERUSER,
        ]);
        let Output { status, stdout, stderr } =
            initdb.arg("--pwfile").arg(&password).arg("-D").arg(self.data()).output().expect("initdb runs");
        let said = || [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(status.success(), "initdb failed:\n{}", said());
    }

    fn configure(&self, settings: &Settings) {
        let folder = self.watchdog.folder().display();
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("unix_socket_directories = '{folder}'"),
            "max_connections = 200".to_owned(),
            // Shared memory is in files of the data folder, so that it is deleted with it.
            "dynamic_shared_memory_type = mmap".to_owned(),
        ];
        if !settings.fsync {
            lines.extend(["fsync = off".to_owned(), "full_page_writes = off".to_owned()]);
        }
        if settings.tls {
            tls::write(self.watchdog.folder(), self.user);
            let files = [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")];
            lines.push("ssl = on".to_owned());
            lines.extend(files.map(|(setting, file)| format!("{setting} = '{folder}/{file}'")));
        }
        let conf = OpenOptions::new().append(true).open(self.data().join("postgresql.conf"));
        let text = lines.iter().chain(&settings.conf).fold(String::new(), |text, line| text + line + "\n");
        conf.expect("initdb wrote it").write_all(text.as_bytes()).expect("there is room");
    }

    /// Starts the server and waits until it serves.
    ///
    /// # Errors
    ///
    /// If the server ended instead; the error is its log.
    fn launch(&self) -> Result<(), String> {
        let log = self.log_file();
        let to = File::create(&log).expect("there is room");
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        // The server has its own process group, so that an interrupt from the keyboard ends the tests first.
        postgres.stdout(to.try_clone().expect("the file is open")).stderr(to).process_group(0);
        let mut postmaster = postgres.spawn().expect("postgres runs");
        self.watchdog.watch(Some(postmaster.id()));
        let mut ended = false;
        wait_until("PostgreSQL does not get ready", || {
            ended = !matches!(postmaster.try_wait(), Ok(None));
            ended || is_ready(&self.data(), postmaster.id())
        });
        if ended {
            self.watchdog.watch(None);
            return Err(fs::read_to_string(log).unwrap_or_default());
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(postmaster);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.process.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            end(&mut postmaster, Signal::QUIT);
            self.watchdog.watch(None);
        }
    }
}

/// Asks a child to end, waits, and kills it if it does not. Never panics, because it may run during another panic.
pub(crate) fn end(child: &mut Child, signal: Signal) {
    let started = Instant::now();
    let _ = kill_process(pid(child.id()), signal);
    while matches!(child.try_wait(), Ok(None)) {
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for another process. It polls, because a process that is no child cannot be waited for.
pub(crate) fn wait_until(complaint: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{complaint}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns `true` if the server is ready. Its lock file contains its process id in the first line and its state in the
/// eighth.
fn is_ready(data: &Path, postmaster: u32) -> bool {
    let lock = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let line = |number| lock.lines().nth(number).map(str::trim);
    line(0) == Some(&postmaster.to_string()) && line(7) == Some("ready")
}

fn pid(id: u32) -> Pid {
    i32::try_from(id).ok().and_then(Pid::from_raw).expect("ids of processes are positive")
}

/// Returns a process's state, as a letter, and its parent; `None` if the process does not exist.
fn state(process: u32) -> Option<(char, u32)> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before these fields is in brackets and may itself contain brackets.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Returns `true` if a process has ended; a zombie has.
fn has_ended(process: u32) -> bool {
    state(process).is_none_or(|(state, _)| "ZX".contains(state))
}

fn children(of: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("children are looked up in /proc").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| state(*id).is_some_and(|(_, parent)| parent == of)).collect()
}
