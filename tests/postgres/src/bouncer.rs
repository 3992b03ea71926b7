//! A pooler in front of a server.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::cluster::{end, wait_until};
use crate::machine::{User, free_port, program};
use crate::server::Server;
use crate::watchdog::Watchdog;

/// A `PgBouncer` in transaction mode in front of a server, for all its databases. It ends with this value or the
/// process.
///
/// Before version 1.21 it does not support prepared statements, so connections through it must not name any. It ignores
/// the start-up parameter `options`, as a pooler for clients that send it has to be configured to.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    process: Child,
    watchdog: Watchdog,
}

impl PgBouncer {
    /// Starts the pooler.
    ///
    /// # Panics
    ///
    /// If the machine has none; the message says what to install.
    #[must_use]
    pub fn start(server: &Server) -> Self {
        Self::start_with(server, &[])
    }

    /// Starts the pooler with these settings besides its own, over which they take precedence.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(server: &Server, settings: &[(&str, &str)]) -> Self {
        let pgbouncer = program("pgbouncer").unwrap_or_else(|| {
            panic!("this test needs PgBouncer: install it (on Debian and Ubuntu: apt-get install pgbouncer)")
        });
        let watchdog = Watchdog::with_folder("TERM");
        let folder = watchdog.folder();
        let port = free_port();
        let (user, password) = server.credentials();
        let options = server.options();
        let mut text = format!(
            "[databases]\n\
             * = host={} port={}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = scram-sha-256\n\
             auth_file = {folder}/users\n\
             logfile = {folder}/log\n\
             pool_mode = transaction\n\
             max_client_conn = 500\n\
             default_pool_size = 20\n\
             ignore_startup_parameters = extra_float_digits, options\n",
            options.get_host(),
            options.get_port(),
            folder = folder.display(),
        );
        // If a setting occurs twice, the last one counts.
        text.extend(settings.iter().map(|(name, value)| format!("{name} = {value}\n")));
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let files = [("conf", text), ("users", format!("{} {}\n", quoted(&user), quoted(&password)))];
        let mut command = Command::new(pgbouncer);
        command.arg(folder.join("conf")).current_dir(folder).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("the folder is new");
        }
        if let Some(user) = User::to_run_servers() {
            for path in [folder, &folder.join("conf"), &folder.join("users")] {
                user.own(path);
            }
            user.run(&mut command);
        }
        let mut process = command.spawn().expect("pgbouncer runs");
        watchdog.watch(Some(process.id()));
        wait_until("PgBouncer does not listen", || {
            let ended = !matches!(process.try_wait(), Ok(None));
            assert!(!ended, "PgBouncer ended:\n{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { port, process, watchdog }
    }

    /// Returns the pooler's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        end(&mut self.process, Signal::TERM);
        self.watchdog.watch(None);
    }
}
