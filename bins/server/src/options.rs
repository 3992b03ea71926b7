//! The server's options, once: the flags, the variables, the file's keys and `--help` are made from this structure.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use quire_api::{RequestLimit, SocketSettings};
use quire_config::{DatabaseArgs, Hidden};
use quire_domain::{NotebookId, UserId};
use quire_service::Quota;
use tracing_subscriber::EnvFilter;

use crate::memory;

/// The default user of all requests without sign-in.
pub(crate) const DEFAULT_DEV_USER: &str = "local";
/// Maximum number of threads that the HTTP library takes.
const MAX_WORKERS: usize = 512;
/// Minimum MiB of memory for notebooks: room for some of ordinary size.
const MIN_MEMORY_MIB: usize = 16;
/// More than any machine has.
const MAX_MEMORY_MIB: u64 = 16 * 1024 * 1024;
/// The largest quota of a user.
const MAX_QUOTA: u64 = 1 << 50;

/// Serves notebooks over HTTP. Flags go before variables, variables before the file.
#[derive(Clone, Debug, Parser)]
#[command(name = "quire-server", version)]
#[expect(clippy::doc_markdown, reason = "the text is the help's")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option by itself")]
pub(crate) struct Options {
    /// Read what neither flags nor variables say from this TOML file
    #[arg(long, value_name = "FILE", env = "QUIRE_CONFIG")]
    pub(crate) config: Option<Hidden>,
    /// Keep the notebooks in this directory, one JSON file each; it is made if it is not there
    #[arg(long, value_name = "DIR", env = "QUIRE_NOTEBOOKS_DIR", default_value = "./notebooks", value_parser = directory)]
    pub(crate) notebooks_dir: PathBuf,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Hold at most so many connections to the database, from 1 to 30
    // More make a database slower, and leave too few for the other servers.
    #[arg(long, value_name = "NUMBER", env = "QUIRE_DATABASE_CONNECTIONS", default_value = "10", value_parser = number::<u32>(1, 30))]
    pub(crate) database_connections: u32,
    /// Use the database beside any number of other servers (many, which is the default), or alone (one), so that a second server is refused; files are always used alone
    #[arg(long, value_name = "MODE", env = "QUIRE_INSTANCES", value_enum)]
    pub(crate) instances: Option<Instances>,
    /// Before serving, apply the steps of the schema that are pending; needs the rights of its owner
    #[arg(long, value_name = "BOOL", env = "QUIRE_MIGRATE", default_value = "false", value_parser = switch)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) migrate: bool,
    /// Refuse every request that would change a notebook, and go on reading, as while notebooks are moved
    #[arg(long, value_name = "BOOL", env = "QUIRE_READ_ONLY", default_value = "false", value_parser = switch)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) read_only: bool,
    /// Run cells in kernels of this Python, which needs the package ipykernel
    #[arg(long, value_name = "PROGRAM", env = "QUIRE_PYTHON", default_value = "python3", value_parser = program)]
    pub(crate) python: PathBuf,
    /// Run cells in the kernel that the kernel.json in this directory describes
    #[arg(long, value_name = "DIR", env = "QUIRE_KERNELSPEC", value_parser = directory)]
    pub(crate) kernelspec: Option<PathBuf>,
    /// Keep so many kernels started ahead; 1 without sign-in and 0 with it, unless this says otherwise
    #[arg(long, value_name = "NUMBER", env = "QUIRE_WARM_KERNELS", value_parser = number::<usize>(0, 100))]
    pub(crate) warm_kernels: Option<usize>,
    /// Let signed-in users run cells: their code runs on this machine and, without a user of its own, reads what the server can, secrets included, see docs/execution.md
    #[arg(long, value_name = "BOOL", env = "QUIRE_ALLOW_EXECUTION", default_value = "false", value_parser = switch)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) allow_execution: bool,
    /// Stop a cell that runs longer than so many seconds; 0 is any time
    #[arg(long, value_name = "SECONDS", env = "QUIRE_CELL_TIMEOUT", default_value = "0", value_parser = number::<u64>(0, 31_536_000))]
    pub(crate) cell_timeout: u64,
    /// End a kernel that has run nothing for so many seconds
    #[arg(long, value_name = "SECONDS", env = "QUIRE_KERNEL_IDLE", default_value = "3600", value_parser = number::<u64>(1, 31_536_000))]
    pub(crate) kernel_idle: u64,
    /// Let a kernel take so many MiB of memory with all processes that it starts
    #[arg(long, value_name = "NUMBER", env = "QUIRE_KERNEL_MEMORY_MIB", default_value = "2048", value_parser = number::<u64>(128, MAX_MEMORY_MIB))]
    pub(crate) kernel_memory_mib: u64,
    /// Let a user have so many kernels
    #[arg(long, value_name = "NUMBER", env = "QUIRE_USER_KERNELS", default_value = "10", value_parser = number::<usize>(1, 10_000))]
    pub(crate) user_kernels: usize,
    /// Let all users together have so many kernels
    #[arg(long, value_name = "NUMBER", env = "QUIRE_MAX_KERNELS", default_value = "50", value_parser = number::<usize>(1, 10_000))]
    pub(crate) max_kernels: usize,
    /// Listen on this address; without sign-in 127.0.0.1, ::1 or localhost
    #[arg(long, value_name = "ADDRESS", env = "QUIRE_HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Listen on this port; 0 takes a free one, which the log names
    #[arg(long, value_name = "NUMBER", env = "QUIRE_PORT or PORT", default_value = "8000", value_parser = port)]
    pub(crate) port: u16,
    /// Without sign-in, take every request for one of this user; not beside settings of Clerk
    #[arg(long, value_name = "USER", env = "QUIRE_DEV_USER", default_value = DEFAULT_DEV_USER, value_parser = user)]
    pub(crate) dev_user: UserId,
    // Not as a comment for documentation, where the address would have to be a link.
    #[arg(help = "Let users of this Clerk issuer sign in: what tokens hold as iss, such as https://clerk.example.com")]
    #[arg(long, value_name = "URL", env = "CLERK_ISSUER")]
    pub(crate) clerk_issuer: Option<Hidden>,
    /// Take the issuer from Clerk's publishable key, where it is not given itself
    #[arg(long, value_name = "KEY", env = "CLERK_PUBLISHABLE_KEY")]
    pub(crate) clerk_publishable_key: Option<Hidden>,
    /// Fetch the issuer's keys from here instead of from behind the issuer's own address
    #[arg(long, value_name = "URL", env = "CLERK_JWKS_URL")]
    pub(crate) clerk_jwks_url: Option<Hidden>,
    /// Take the issuer's public key from this text, and fetch none
    #[arg(long, value_name = "PEM", env = "CLERK_JWT_KEY")]
    pub(crate) clerk_jwt_key: Option<Hidden>,
    /// Take tokens too that do not say for which origin they were made (azp)
    #[arg(long, value_name = "BOOL", env = "QUIRE_CLERK_MISSING_AZP", default_value = "false", value_parser = switch)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) clerk_missing_azp: bool,
    /// Let web pages of these origins, separated by commas, use the server
    #[arg(long, value_name = "ORIGINS", env = "QUIRE_ALLOWED_ORIGINS or ALLOWED_ORIGINS", value_parser = origins)]
    #[arg(default_value = "http://localhost:3000,http://localhost:5173")]
    pub(crate) allowed_origins: WebOrigins,
    /// Take the client's address from X-Forwarded-For, this many entries from the right; 0 takes the connection's
    // A longer chain is a mistake.
    #[arg(long, value_name = "NUMBER", env = "QUIRE_TRUSTED_PROXIES", default_value = "0", value_parser = number::<usize>(0, 16))]
    pub(crate) trusted_proxies: usize,
    /// Let a user make so many requests a second in the long run; 0 is any number
    #[arg(long, value_name = "NUMBER", env = "QUIRE_REQUESTS_PER_SECOND", default_value = "500", value_parser = number::<u32>(0, 1_000_000))]
    pub(crate) requests_per_second: u32,
    /// Let a user make so many requests at once after a rest, beyond those a second
    #[arg(long, value_name = "NUMBER", env = "QUIRE_REQUESTS_BURST", default_value = "5000", value_parser = number::<u32>(1, 1_000_000))]
    pub(crate) requests_burst: u32,
    /// Let a user keep so many notebooks; 0 is any number
    #[arg(long, value_name = "NUMBER", env = "QUIRE_USER_NOTEBOOKS", default_value = "10000", value_parser = number::<u64>(0, MAX_QUOTA))]
    pub(crate) user_notebooks: u64,
    /// Let a user keep so many bytes of code and results, as they are stored; 0 is any number
    #[arg(long, value_name = "NUMBER", env = "QUIRE_USER_BYTES", default_value = "10737418240", value_parser = number::<u64>(0, MAX_QUOTA))]
    pub(crate) user_bytes: u64,
    /// Log what this filter lets through: error, warn, info, debug, trace, or module=level pairs
    #[arg(long, value_name = "FILTER", env = "QUIRE_LOG or RUST_LOG", default_value = "info", value_parser = filter)]
    pub(crate) log: String,
    /// Write log lines for people or for programs
    #[arg(long, value_name = "FORMAT", env = "QUIRE_LOG_FORMAT", default_value = "text", value_enum)]
    pub(crate) log_format: LogFormat,
    /// Let notebooks in memory take so many MiB together, one at most half; 0 is a quarter of what the process may use
    #[arg(long, value_name = "NUMBER", env = "QUIRE_MEMORY_MIB", default_value = "0", value_parser = number::<usize>(0, MAX_MEMORY_MIB))]
    pub(crate) memory_mib: usize,
    /// Answer requests on so many threads, at most 512; 0 is one for each processor
    #[arg(long, value_name = "NUMBER", env = "QUIRE_WORKERS", default_value = "0", value_parser = number::<usize>(0, MAX_WORKERS as u64))]
    pub(crate) workers: usize,
    /// Hold at most so many connections, the others wait; each needs one of the process's open files
    #[arg(long, value_name = "NUMBER", env = "QUIRE_MAX_CONNECTIONS", default_value = "900", value_parser = number::<usize>(1, 1_000_000))]
    pub(crate) max_connections: usize,
    /// Keep idle connections open so long; above 60000, which load balancers expect of a server
    #[arg(long = "keep-alive-ms", value_name = "MS", env = "QUIRE_KEEP_ALIVE_MS", default_value = "75000", value_parser = milliseconds(60_001))]
    pub(crate) keep_alive: Duration,
    /// Give a new connection so long to send the head of its first request
    #[arg(long = "head-timeout-ms", value_name = "MS", env = "QUIRE_HEAD_TIMEOUT_MS", default_value = "10000", value_parser = milliseconds(1))]
    pub(crate) head_timeout: Duration,
    /// Give a client so long to send the body of a request
    #[arg(long = "body-timeout-ms", value_name = "MS", env = "QUIRE_BODY_TIMEOUT_MS", default_value = "60000", value_parser = milliseconds(1))]
    pub(crate) body_timeout: Duration,
    /// End a connection whose client takes nothing for so long of what is sent to it
    #[arg(long = "send-timeout-ms", value_name = "MS", env = "QUIRE_SEND_TIMEOUT_MS", default_value = "60000", value_parser = milliseconds(1))]
    pub(crate) send_timeout: Duration,
    /// Answer 503 when handling a request takes longer, from when its body is there
    #[arg(long = "request-timeout-ms", value_name = "MS", env = "QUIRE_REQUEST_TIMEOUT_MS", default_value = "30000", value_parser = milliseconds(1))]
    pub(crate) request_timeout: Duration,
    /// Hold at most so many WebSockets, and at most two in three of max_connections
    #[arg(long, value_name = "NUMBER", env = "QUIRE_WS_MAX_SOCKETS", default_value = "600", value_parser = number::<usize>(1, 1_000_000))]
    pub(crate) ws_max_sockets: usize,
    /// Hold at most so many WebSockets of one user
    #[arg(long, value_name = "NUMBER", env = "QUIRE_WS_MAX_PER_USER", default_value = "100", value_parser = number::<usize>(1, 1_000_000))]
    pub(crate) ws_max_per_user: usize,
    /// Hold at most so many WebSockets of one address that have not signed in; the oldest makes room
    #[arg(long, value_name = "NUMBER", env = "QUIRE_WS_MAX_WAITING", default_value = "64", value_parser = number::<usize>(1, 1_000_000))]
    pub(crate) ws_max_waiting: usize,
    /// Let a WebSocket outlive its token until so long after its user's last signed-in HTTP request, unless it has ever renewed its sign-in; 0 for not at all
    #[arg(long, value_name = "SECONDS", env = "QUIRE_WS_UNREFRESHED_MAX", default_value = "3600", value_parser = number::<u64>(0, 31_536_000))]
    pub(crate) ws_unrefreshed_max: u64,
    /// Wait at most so long for requests under way when told to stop
    #[arg(long = "shutdown-timeout-ms", value_name = "MS", env = "QUIRE_SHUTDOWN_TIMEOUT_MS", default_value = "30000", value_parser = milliseconds(1))]
    pub(crate) shutdown_timeout: Duration,
}

/// A list that is one value of one flag, separated by commas.
type WebOrigins = Vec<String>;

/// The format of log lines: text for people, or a JSON object on each line for programs. (The values have no comments of their
/// own, with which clap would print all of `--help` in its long form.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The number of servers that use the notebooks at the same time. (Without comments on the values, as above.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Instances {
    One,
    Many,
}

impl Options {
    /// Returns the number of threads that serve requests. Each serves at least one connection.
    pub(crate) fn workers(&self) -> usize {
        let workers = match self.workers {
            0 => std::thread::available_parallelism().map_or(2, usize::from).min(MAX_WORKERS),
            workers => workers,
        };
        workers.min(self.max_connections)
    }

    /// Returns the maximum bytes of memory of all notebooks.
    pub(crate) fn memory_bytes(&self) -> usize {
        let mib = if self.memory_mib == 0 { memory::available_mib() / 4 } else { self.memory_mib };
        mib.max(MIN_MEMORY_MIB) * 1024 * 1024
    }

    /// Returns the limit of requests of a user.
    pub(crate) fn request_limit(&self) -> Option<RequestLimit> {
        let per_second = NonZeroU32::new(self.requests_per_second)?;
        Some(RequestLimit { per_second, burst: NonZeroU32::new(self.requests_burst)? })
    }

    /// Returns the quota of a user.
    pub(crate) fn quota(&self) -> Quota {
        let at_most = |max| Some(max).filter(|max| *max > 0);
        Quota { notebooks: at_most(self.user_notebooks), bytes: at_most(self.user_bytes) }
    }

    /// Returns the settings of WebSockets, which leave connections for requests.
    pub(crate) fn sockets(&self) -> SocketSettings {
        SocketSettings {
            max_sockets: self.ws_max_sockets.min(self.max_connections * 2 / 3).max(1),
            max_per_user: self.ws_max_per_user,
            max_pending_per_address: self.ws_max_waiting,
            unrefreshed_max: Duration::from_secs(self.ws_unrefreshed_max),
            ..SocketSettings::default()
        }
    }
}

fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_other| "it must be true or false".to_owned())
}

fn number<T: TryFrom<u64> + 'static>(
    min: u64,
    max: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("it must be a whole number from {min} to {max}"))
    }
}

fn milliseconds(min: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    let number = number::<u64>(min, 3_600_000);
    move |text| number(text).map(Duration::from_millis)
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_nan| "it must be a number from 0 to 65535".to_owned())
}

fn directory(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("it must name a directory".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn program(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("it must name a program".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn user(text: &str) -> Result<UserId, String> {
    let user = UserId::new(text).map_err(|error| error.to_string())?;
    // Every user has this notebook, so its id must be valid too.
    NotebookId::blank_of(&user).map_err(|error| format!("its notebook blank-{text} could not exist: {error}"))?;
    Ok(user)
}

/// Parses origins in the form that browsers send, so that they can be compared as texts.
fn origins(text: &str) -> Result<WebOrigins, String> {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins.map(|origin| check_origin(origin).map(|()| origin.to_owned())).collect()
}

fn check_origin(origin: &str) -> Result<(), String> {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    match rest {
        Some(rest) if !rest.is_empty() && rest.bytes().all(is_host) => Ok(()),
        // The value may be a database's URL by mistake, so the message does not repeat it.
        _ if origin.contains('@') => {
            Err("each must be an origin, scheme, host and port, without a user or password".to_owned())
        }
        _ => Err(format!(
            "{origin:?} must be an origin as browsers send it, such as http://localhost:3000: scheme, lower-case host \
             and port, and nothing behind them"
        )),
    }
}

fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("it must be a level or module=level pairs, separated by commas ({error})"))
}
