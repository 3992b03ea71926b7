//! The configuration as the server uses it: typed, and valid once it exists.

use std::env::VarError;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quire_api::{Authenticator, RequestLimit, SocketSettings};
use quire_domain::SecretKeys;
use quire_service::Quota;
use quire_storage_postgres::DatabaseUrl;
use quire_storage_postgres::settings::{self, SettingsError};
use tracing_subscriber::EnvFilter;

use crate::sources::{Refusal, Setting, Sources, Wanted};

/// More threads than this the HTTP library does not take.
const MAX_WORKERS: usize = 512;
/// Maximum number of trusted proxies; a longer chain is a mistake.
const MAX_TRUSTED_PROXIES: u64 = 16;
/// More connections than this make a database slower, and leave too few for the other servers.
const MAX_DATABASE_CONNECTIONS: u64 = 30;
/// The least memory for notebooks: room for some of ordinary size.
const MIN_MEMORY_MIB: usize = 16;
/// More than any machine has.
const MAX_MEMORY_MIB: u64 = 16 * 1024 * 1024;
/// A limit on what a user may keep; beyond it, there is none.
const MAX_KEPT: u64 = 1 << 50;

/// How the server runs.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where the notebooks are.
    pub(crate) notebooks_dir: PathBuf,
    /// The database that holds the notebooks, in place of the directory.
    pub(crate) database: Option<DatabaseConfig>,
    /// Whether nothing may be changed.
    pub(crate) read_only: bool,
    /// What connection strings are sealed with.
    pub(crate) secret_keys: Option<Arc<SecretKeys>>,
    /// Where to listen; in development mode, one of the addresses that requests may name as their host.
    pub(crate) listen: SocketAddr,
    /// Says who is calling.
    pub(crate) authenticator: Authenticator,
    /// The origins whose pages may use the server.
    pub(crate) allowed_origins: Vec<String>,
    /// How many requests a user may make.
    pub(crate) request_limit: Option<RequestLimit>,
    /// Number of proxies whose entries in `X-Forwarded-For` are believed.
    pub(crate) trusted_proxies: usize,
    pub(crate) quota: Quota,
    /// Which log lines are written, as [`EnvFilter`] understands it.
    pub(crate) log: String,
    /// How log lines are written.
    pub(crate) log_format: LogFormat,
    /// Bytes of memory that notebooks may take together.
    pub(crate) memory_bytes: usize,
    /// How many threads answer requests.
    pub(crate) workers: usize,
    /// How many connections are held at once.
    pub(crate) max_connections: usize,
    /// How long idle connections are kept.
    pub(crate) keep_alive: Duration,
    /// How long the head of a connection's first request may take.
    pub(crate) head_timeout: Duration,
    /// How long a body may take.
    pub(crate) body_timeout: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub(crate) send_timeout: Duration,
    /// How long handling a request may take.
    pub(crate) request_timeout: Duration,
    /// How WebSockets behave.
    pub(crate) sockets: SocketSettings,
    /// How long stopping waits for requests under way.
    pub(crate) shutdown_timeout: Duration,
}

/// How a database is used.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseConfig {
    /// Where it is.
    pub(crate) url: DatabaseUrl,
    /// How many connections are held at most.
    pub(crate) connections: u32,
    /// Whether pending steps of its schema are applied before serving.
    pub(crate) migrate: bool,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: a JSON object on each line.
    Json,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// To run.
    Run(Box<Config>),
    /// To print this and leave.
    Print(String),
}

impl Config {
    /// Reads flags, variables, file and defaults, in that order, and checks them.
    ///
    /// # Errors
    /// The first value that is not valid, with where it came from.
    pub(crate) fn load(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Command, Refusal> {
        match Sources::collect(arguments, &variable)? {
            Wanted::Run(sources) => {
                let secret_keys = settings::secret_keys(&variable).map_err(refuse)?.map(Arc::new);
                let database = database(&sources, variable)?;
                Ok(Command::Run(Box::new(Self { database, secret_keys, ..Self::check(&sources)? })))
            }
            Wanted::Text(text) => Ok(Command::Print(text)),
        }
    }

    fn check(sources: &Sources) -> Result<Self, Refusal> {
        let ms = |name| sources.get(name, |text| number(text, 1, 3_600_000)).map(Duration::from_millis);
        let count = |name, least, most| {
            sources.get(name, |text| number(text, least, most)).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
        };
        let at_most = |name| Ok(Some(sources.get(name, |text| number(text, 0, MAX_KEPT))?).filter(|most| *most > 0));
        let allowed_origins = sources.get("allowed_origins", origins)?;
        let authenticator = sign_in::authenticator(sources, &allowed_origins)?;
        let host =
            sources.get("host", if authenticator.is_development() { sign_in::loopback } else { sign_in::address })?;
        let port =
            sources.get("port", |text| text.parse().map_err(|_nan| "it must be a number from 0 to 65535".into()))?;
        let max_connections = count("max_connections", 1, 1_000_000)?;
        let workers = match count("workers", 0, MAX_WORKERS as u64)? {
            0 => std::thread::available_parallelism().map_or(2, usize::from).min(MAX_WORKERS),
            workers => workers,
        };
        let memory_mib = match count("memory_mib", 0, MAX_MEMORY_MIB)? {
            0 => memory::available_mib() / 4,
            mib => mib,
        };
        Ok(Self {
            memory_bytes: memory_mib.max(MIN_MEMORY_MIB) * 1024 * 1024,
            notebooks_dir: sources.get("notebooks_dir", directory)?,
            // What may hold secrets is not made from what may be repeated in messages.
            database: None,
            secret_keys: None,
            read_only: sources.get("read_only", switch)?,
            listen: SocketAddr::new(host, port),
            authenticator,
            allowed_origins,
            request_limit: sign_in::request_limit(sources)?,
            trusted_proxies: count("trusted_proxies", 0, MAX_TRUSTED_PROXIES)?,
            quota: Quota { notebooks: at_most("user_notebooks")?, bytes: at_most("user_bytes")? },
            log: sources.get("log", filter)?,
            log_format: sources.get("log_format", log_format)?,
            // Connections are shared out among the workers, at least one to each.
            workers: workers.min(max_connections),
            max_connections,
            keep_alive: Duration::from_millis(sources.get("keep_alive_ms", |text| number(text, 60_001, 3_600_000))?),
            head_timeout: ms("head_timeout_ms")?,
            body_timeout: ms("body_timeout_ms")?,
            send_timeout: ms("send_timeout_ms")?,
            request_timeout: ms("request_timeout_ms")?,
            sockets: SocketSettings {
                most: count("ws_max_sockets", 1, 1_000_000)?.min(max_connections * 2 / 3).max(1),
                most_per_user: count("ws_max_per_user", 1, 1_000_000)?,
                most_waiting_per_address: count("ws_max_waiting", 1, 1_000_000)?,
                unrefreshed_max: sources
                    .get("ws_unrefreshed_max", |text| number(text, 0, 31_536_000))
                    .map(Duration::from_secs)?,
                ..SocketSettings::default()
            },
            shutdown_timeout: ms("shutdown_timeout_ms")?,
        })
    }
}

/// The database that the sources name, if any.
fn database(
    sources: &Sources,
    variable: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<DatabaseConfig>, Refusal> {
    let [url, file] = ["database_url", "database_url_file"].map(|name| sources.written(name));
    let flag = |setting: Option<&'_ Setting>| setting.filter(|setting| setting.rank() == 0).map(|s| s.text.clone());
    let (url_flag, file_flag) = (flag(url), flag(file));
    let arguments =
        settings::Arguments { url: url_flag.as_deref(), url_file: file_flag.as_deref().map(std::path::Path::new) };
    // What else there is looks like variables to `settings`, which know no configuration file: of a variable and a key
    // of the file the variable counts, whichever of the two says where the URL is.
    let best = [url, file].into_iter().flatten().map(Setting::rank).min();
    let variable = |name: &str| match name {
        settings::URL_VARIABLE => given(url, best),
        settings::URL_FILE_VARIABLE => given(file, best),
        other => variable(other),
    };
    let connections = sources.get("database_connections", |text| number(text, 1, MAX_DATABASE_CONNECTIONS))?;
    let migrate = sources.get("migrate", switch)?;
    let url = settings::database_url(arguments, variable).map_err(refuse)?;
    let connections = u32::try_from(connections).unwrap_or(u32::MAX);
    Ok(url.map(|url| DatabaseConfig { url, connections, migrate }))
}

fn given(setting: Option<&Setting>, best: Option<u8>) -> Result<String, VarError> {
    let setting = setting.filter(|setting| Some(setting.rank()) == best && setting.rank() > 0);
    setting.map(|setting| setting.text.clone()).ok_or(VarError::NotPresent)
}

fn refuse(error: SettingsError) -> Refusal {
    Refusal(format!("The settings cannot be used: {:#}.", anyhow::Error::from(error)))
}

fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_other| "it must be true or false".to_owned())
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let wanted = || format!("it must be a whole number from {least} to {most}");
    text.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(wanted)
}

fn directory(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("it must name a directory".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// Origins as browsers write them, so that comparing texts is enough.
fn origins(text: &str) -> Result<Vec<String>, String> {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins.map(|origin| check_origin(origin).map(|()| origin.to_owned())).collect()
}

fn check_origin(origin: &str) -> Result<(), String> {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    match rest {
        Some(rest) if !rest.is_empty() && rest.bytes().all(is_host) => Ok(()),
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

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("it must be text or json".to_owned()),
    }
}

mod memory;
mod sign_in;

#[cfg(test)]
mod tests;
