//! Facilities of the machine: programs, an unprivileged user, free ports, random names.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Time-out for the start or end of a program; it includes recovery after a crash.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Returns the folder of `PostgreSQL`'s own programs, if the machine has them.
pub(crate) fn postgres_programs() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file());
    let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).find(complete);
    on_path.or_else(|| installed().into_iter().find(complete))
}

/// Returns the folders in which systems install `PostgreSQL` without adding it to the `PATH`, the newest version first.
fn installed() -> Vec<PathBuf> {
    // Debian and Ubuntu; Red Hat; Homebrew.
    let places = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt/homebrew/opt", "postgresql@")];
    let mut found = Vec::new();
    for (parent, prefix) in places {
        for entry in Path::new(parent).read_dir().into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse::<u32>().ok());
            found.extend(version.map(|version| (version, entry.path().join("bin"))));
        }
    }
    found.sort_by(|(one, _), (other, _)| other.cmp(one));
    found.into_iter().map(|(_, folder)| folder).chain(["/usr/local/pgsql/bin".into()]).collect()
}

/// Returns the path of a program on the `PATH`, or in the folder for administrators' programs, which an ordinary user's
/// `PATH` omits.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Number of a user without rights. `PostgreSQL` and `PgBouncer` refuse to run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Returns the user who runs the servers, or `None` if this process is an ordinary user's and runs them itself.
    pub(crate) fn to_run_servers() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = std::fs::read_to_string("/etc/passwd").expect("the list of users is readable");
        let user = ["postgres", "nobody"].iter().find_map(|name| Self::named(name, &users));
        Some(
            user.expect(
                "PostgreSQL refuses to run as root: please add the user `postgres`, or run the tests as another",
            ),
        )
    }

    fn named(name: &str, users: &str) -> Option<Self> {
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
        Some(Self { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
    }

    /// Changes the owner of a file to this user.
    pub(crate) fn own(self, path: &Path) {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).expect("root can give files away");
    }

    /// Makes a command run as this user.
    pub(crate) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// Returns a port on which no process listens.
///
/// The port lies below the range that systems use for outgoing connections, so that it stays free while a server is
/// down between a kill and a restart.
pub(crate) fn free_port() -> u16 {
    (0..1000)
        .map(|_| 15_000 + u16::from_ne_bytes(random()) % 17_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of a thousand ports is free")
}

/// Returns text that is unique and cannot be guessed.
pub(crate) fn random_name() -> String {
    format!("{:032x}", u128::from_ne_bytes(random()))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    bytes
}
