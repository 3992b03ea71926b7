//! The URL of the database, and the password that may come from elsewhere.
//!
//! sqlx could parse URLs too, but it logs the values of keys that it does not know, its errors repeat parts of the text,
//! and a special character that somebody forgot to encode moves parts of the password into host or database name,
//! from where they reach logs. Here a text with two readings is refused, and no error repeats any of it.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

pub use error::DatabaseUrlError;
use keys::{Keys, ssl_mode};

mod error;
mod keys;
#[cfg(test)]
mod tests;

const SCHEMES: [&str; 3] = ["postgres", "postgresql", "postgresql+asyncpg"];
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 5432;
const SSL_MODE_VARIABLE: &str = "PGSSLMODE";
const SSL_ROOT_VARIABLE: &str = "PGSSLROOTCERT";
/// The value of `sslrootcert` that stands for the system's authorities.
const SYSTEM: &str = "system";
/// The variable that names another file with them, as for OpenSSL.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";
/// Where systems keep them: Debian, Red Hat, Alpine and the BSDs, SUSE.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// A database's URL, `postgres://user:password@host:port/database?key=value`, with the scheme `postgres`, `postgresql` or
/// `postgresql+asyncpg`.
///
/// - User and database must be named. Host and port default to `localhost` and 5432; a host that begins with `/` (as
///   `%2F`, or in the key `host`) is the folder of a Unix socket.
/// - Special characters of user, password, host, database and values are percent-encoded; `+` is itself.
/// - `pgbouncer=true` says that a pooler in transaction mode stands before the database: each statement then is a
///   transaction of four round trips, since a pooler forgets between two transactions what was prepared or set.
/// - Keys besides: `sslmode` (or `ssl`, as asyncpg calls it), `sslrootcert`, `sslcert`, `sslkey`, `application_name`, `options`,
///   `connect_timeout` and `host`. Any other is refused.
///
/// Of the environment, `PGSSLMODE`, `PGSSLROOTCERT`, `PGSSLCERT` and `PGSSLKEY` fill in what the URL leaves open, and what
/// `PGOPTIONS` sets holds unless the URL's `options` set it: an operator who demands TLS for all clients gets it here too.
/// No other variable counts: neither `PGHOST`, `PGHOSTADDR`, `PGPORT`, `PGUSER`, `PGDATABASE` and `PGAPPNAME`, nor
/// `PGPASSWORD` and the password file.
///
/// As for libpq, `sslmode=require` with `sslrootcert` is read as `verify-ca`, `sslrootcert=system` stands for the system's
/// authorities and goes with `verify-full` alone, and no mode concerns a Unix socket. How `prefer` and `allow` go on is up to
/// [`quire_migration::connect_once`]. What a program sets for its sessions itself,
/// such as `statement_timeout`, goes before `options`.
///
/// `Debug` shows user, host, port and database only.
#[derive(Clone)]
pub struct DatabaseUrl {
    user: String,
    password: Option<PasswordSource>,
    host: String,
    port: u16,
    database: String,
    keys: Keys,
}

/// Where a password comes from. `Debug` does not show it.
#[derive(Clone)]
pub enum PasswordSource {
    /// The password itself.
    Text(String),
    /// A file that holds it, read anew for each [`DatabaseUrl::connect_options`]; one line break at its end does not count.
    File(PathBuf),
}

impl DatabaseUrl {
    /// Reads a URL; blanks around it do not count.
    ///
    /// # Errors
    /// When it is not one, or has more than one reading.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(DatabaseUrlError::Scheme)?;
        if !SCHEMES.contains(&scheme) {
            return Err(DatabaseUrlError::Scheme);
        }
        refuse_ambiguous(text, text.len() - rest.len())?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user_info, address) = authority.split_once('@').unwrap_or(("", authority));
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let (host, port) = split_address(address)?;
        let keys = Keys::parse(query)?;
        let database = decode(database, "database name")?;
        let user = decode(user, "user name")?;
        for (part, value) in [("user", &user), ("database", &database)] {
            if value.is_empty() {
                return Err(DatabaseUrlError::Missing { part });
            }
        }
        let password = decode(password, "password")?;
        let password = if password.is_empty() { None } else { Some(PasswordSource::Text(password)) };
        let host = match (decode(host, "host")?, &keys.host) {
            (host, None) if host.is_empty() => DEFAULT_HOST.to_owned(),
            (host, Some(other)) if host.is_empty() => other.clone(),
            (_, Some(_)) => return Err(DatabaseUrlError::Repeated { key: "host" }),
            (host, None) => host,
        };
        if !is_host(&host) {
            return Err(DatabaseUrlError::Invalid { part: "host" });
        }
        Ok(Self { user, password, host, port, database, keys })
    }

    /// Whether a text that may be a URL may hold a password, so that it does not belong on a command line, which other
    /// users of the machine can read. In doubt it may.
    #[must_use]
    pub fn may_hold_password(text: &str) -> bool {
        // A text that does not parse is refused anyway; this is about which complaint helps.
        let suspicious = || text.contains('@') || text.contains("password");
        Self::parse(text).map_or_else(|_| suspicious(), |url| url.has_password())
    }

    /// Whether there is a password, in the URL or given to [`with_password`](Self::with_password).
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Takes the password from elsewhere, whatever the URL says.
    #[must_use]
    pub fn with_password(mut self, password: PasswordSource) -> Self {
        self.password = Some(password);
        self
    }

    /// Returns `true` if the host is the folder of a Unix socket.
    fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether a pooler in transaction mode stands before the database. Where the URL does not say so, the store finds out.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.keys.pgbouncer
    }

    /// How long connecting may take, if the URL says so.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.keys.connect_timeout
    }

    /// Checks that the files for TLS that the URL names can be read, which connecting does not tell apart from a server that is
    /// away.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn check_files(&self) -> Result<(), DatabaseUrlError> {
        let Keys { ssl_root_cert, ssl_cert, ssl_key, .. } = &self.keys;
        if self.is_socket() {
            return Ok(());
        }
        let ssl_root_cert = &ssl_root_cert.as_deref().map(root_certificates).transpose()?;
        for (key, file) in [("sslrootcert", ssl_root_cert), ("sslcert", ssl_cert), ("sslkey", ssl_key)] {
            if let Some(file) = file {
                fs::File::open(file).map_err(|source| DatabaseUrlError::File { key, source })?;
            }
        }
        Ok(())
    }

    /// How to connect; `application_name` holds unless the URL names another. A password in a file is read again.
    ///
    /// The `Debug` of what is returned shows the password: never print it.
    ///
    /// # Errors
    /// When the password's file cannot be read or is empty, or `PGSSLMODE` counts and is not valid.
    pub fn connect_options(&self, application_name: &str) -> Result<PgConnectOptions, DatabaseUrlError> {
        let root = self.keys.ssl_root_cert.clone().or_else(|| std::env::var(SSL_ROOT_VARIABLE).ok());
        let is_system = root.as_deref() == Some(SYSTEM);
        let ssl_mode = match (self.keys.ssl_mode, std::env::var_os(SSL_MODE_VARIABLE)) {
            (Some(mode), _) => mode,
            (None, Some(mode)) => ssl_mode(SSL_MODE_VARIABLE, mode.to_str().unwrap_or_default())?,
            (None, None) if is_system => PgSslMode::VerifyFull,
            (None, None) => PgSslMode::Prefer,
        };
        let root = match (root, ssl_mode) {
            _ if self.is_socket() => None,
            // Everybody can have a certificate of one of the system's authorities, for a name of their own.
            (Some(_), mode) if is_system && !matches!(mode, PgSslMode::VerifyFull) => {
                return Err(DatabaseUrlError::Value {
                    key: "sslmode",
                    expected: "verify-full with sslrootcert=system",
                });
            }
            (root, _) => root.as_deref().map(root_certificates).transpose()?,
        };
        // Whoever names an authority wants it to be checked.
        let ssl_mode = match ssl_mode {
            _ if self.is_socket() => PgSslMode::Disable,
            PgSslMode::Require if root.is_some() => PgSslMode::VerifyCa,
            other => other,
        };
        // Each setter below also overrides what sqlx took from the environment. Without a password it would send an empty one too.
        let password = self.password.as_ref().map(PasswordSource::read).transpose()?.unwrap_or_default();
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&password)
            .database(&self.database)
            .ssl_mode(ssl_mode)
            .application_name(self.keys.application_name.as_deref().unwrap_or(application_name));
        if let Some(file) = &root {
            options = options.ssl_root_cert(file);
        }
        if let Some(file) = &self.keys.ssl_cert {
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = &self.keys.ssl_key {
            options = options.ssl_client_key(file);
        }
        if !self.keys.options.is_empty() {
            options = options.options(self.keys.options.iter().map(|(name, value)| (name, value)));
        }
        Ok(options)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port, database, .. } = self;
        f.debug_struct("DatabaseUrl")
            .field("user", user)
            .field("host", host)
            .field("port", port)
            .field("database", database)
            .finish_non_exhaustive()
    }
}

impl PasswordSource {
    fn read(&self) -> Result<String, DatabaseUrlError> {
        let path = match self {
            Self::Text(password) => return Ok(password.clone()),
            Self::File(path) => path,
        };
        let text = fs::read_to_string(path).map_err(|source| DatabaseUrlError::PasswordFile { source })?;
        let password = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
        if password.is_empty() || password.contains('\0') {
            return Err(DatabaseUrlError::NoPassword);
        }
        Ok(password.to_owned())
    }
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(hidden)"),
            Self::File(_) => f.write_str("File(hidden)"),
        }
    }
}

/// The file with the authorities that `sslrootcert` names.
fn root_certificates(value: &str) -> Result<String, DatabaseUrlError> {
    if value != SYSTEM {
        return Ok(value.to_owned());
    }
    let given = std::env::var(SYSTEM_VARIABLE).ok().filter(|file| !file.is_empty());
    let found = || SYSTEM_FILES.into_iter().find(|file| Path::new(file).is_file()).map(str::to_owned);
    given
        .or_else(found)
        .ok_or_else(|| DatabaseUrlError::File { key: "sslrootcert", source: ErrorKind::NotFound.into() })
}

/// Refuses what would make some readers cut the text elsewhere. The scheme is so many bytes long.
fn refuse_ambiguous(text: &str, scheme: usize) -> Result<(), DatabaseUrlError> {
    let first = |characters: &[char]| text[scheme..].find(characters).map_or(text.len(), |index| scheme + index);
    let (authority_end, query_start) = (first(&['/', '?']), first(&['?']));
    let at = text.find('@');
    for (count, (index, character)) in text.char_indices().enumerate() {
        let is_wrong = match character {
            '#' => true,
            // The one that ends the user's name and password; a later one shows that one of them was not encoded.
            '@' => Some(index) != at || index > authority_end,
            '/' => index > authority_end && index < query_start,
            '%' => !text[index + 1..].bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2),
            _ => character.is_whitespace() || character.is_control(),
        };
        if is_wrong {
            return Err(DatabaseUrlError::Character { position: count + 1 });
        }
    }
    Ok(())
}

/// Host and port, of which both may be missing; the host may be an IPv6 address in brackets.
fn split_address(address: &str) -> Result<(&str, u16), DatabaseUrlError> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(DatabaseUrlError::Invalid { part: "host" })?;
            host.parse::<Ipv6Addr>().map_err(|_parse| DatabaseUrlError::Invalid { part: "host" })?;
            (host, port)
        }
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    let invalid = DatabaseUrlError::Invalid { part: "port" };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => DEFAULT_PORT,
        Some("") => DEFAULT_PORT,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse() {
            Ok(0) | Err(_) => return Err(invalid),
            Ok(port) => port,
        },
        _ => return Err(invalid),
    };
    Ok((host, port))
}

/// A name, an address, or the folder of a socket.
fn is_host(host: &str) -> bool {
    host.starts_with('/')
        || host.parse::<Ipv6Addr>().is_ok()
        || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Decodes `%41`; that each `%` is followed by two digits was seen before.
fn decode(text: &str, part: &'static str) -> Result<String, DatabaseUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let (digits, after) = escape.split_at_checked(2).ok_or(DatabaseUrlError::Invalid { part })?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_parse| DatabaseUrlError::Invalid { part })?);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    // The protocol ends texts with NUL.
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or(DatabaseUrlError::NotText { part })
}
