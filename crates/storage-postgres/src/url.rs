//! The URL of the database, and the password, which may have another source.
//!
//! `url` and sqlx parse the URL. They accept a special character that is not percent-encoded, which moves parts of the password
//! into the host or the database's name, and from there into logs. sqlx logs the values of unknown parameters, and its errors
//! repeat parts of the text. So an ambiguous text, or one with an unknown parameter, is refused before it is parsed, and no
//! error repeats any of it.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::{Host, ParseError, Url};

pub use error::DatabaseUrlError;
use parameters::{Parameters, SSL_MODES, ssl_mode};
pub use password::PasswordSource;

mod error;
mod parameters;
mod password;
#[cfg(test)]
mod tests;

const SCHEMES: [&str; 3] = ["postgres", "postgresql", "postgresql+asyncpg"];
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 5432;
const SSL_MODE_VARIABLE: &str = "PGSSLMODE";
const SSL_ROOT_VARIABLE: &str = "PGSSLROOTCERT";
/// The value of `sslrootcert` for the system's authorities.
const SYSTEM: &str = "system";
/// The variable that names another file of authorities, as for OpenSSL.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";
/// Paths of the authorities on Debian, Red Hat, Alpine and the BSDs, and SUSE.
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
/// - `pgbouncer=true` declares a pooler in transaction mode before the database. Each statement is then a transaction of four
///   round trips, because nothing that is prepared or set outlives a transaction.
/// - Further keys: `sslmode` (or `ssl`, as asyncpg calls it), `sslrootcert`, `sslcert`, `sslkey`, `application_name`, `options`,
///   `connect_timeout` and `host`. Any other is refused.
///
/// The environment variables `PGSSLMODE`, `PGSSLROOTCERT`, `PGSSLCERT` and `PGSSLKEY` are defaults for the URL, and `PGOPTIONS`
/// is one for its `options`, so that an operator can demand TLS for all clients. No other variable is read: neither `PGHOST`, `PGHOSTADDR`, `PGPORT`, `PGUSER`, `PGDATABASE` and `PGAPPNAME`, nor
/// `PGPASSWORD` and the password file.
///
/// As for libpq, `sslmode=require` with `sslrootcert` is read as `verify-ca`, `sslrootcert=system` means the system's
/// authorities and is valid with `verify-full` alone, and no mode concerns a Unix socket.
/// [`quire_migration::connect_once`] implements `prefer` and `allow`. The settings of the program's own sessions, such as
/// `statement_timeout`, take precedence over `options`.
///
/// `Debug` shows user, host, port and database only.
#[derive(Clone)]
pub struct DatabaseUrl {
    /// The options, without those that [`connect_options`](Self::connect_options) adds.
    options: PgConnectOptions,
    password: Option<PasswordSource>,
    parameters: Parameters,
}

impl DatabaseUrl {
    /// Parses a URL, without blanks around it.
    ///
    /// # Errors
    /// Returns an error if the text is not a URL of a database, or is ambiguous.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(DatabaseUrlError::Scheme)?;
        if !SCHEMES.contains(&scheme) {
            return Err(DatabaseUrlError::Scheme);
        }
        let authority = text.len() - rest.len();
        refuse_ambiguous(text, authority)?;
        // `url` requires a host if there is a user.
        let address = text.find('@').map_or(authority, |at| at + 1);
        let has_host = !text[address..].is_empty() && !text[address..].starts_with([':', '/', '?']);
        let (before, after) = text.split_at(address);
        let mut url =
            Url::parse(&format!("{before}{}{after}", if has_host { "" } else { DEFAULT_HOST })).map_err(|error| {
                DatabaseUrlError::Invalid { part: if error == ParseError::InvalidPort { "port" } else { "host" } }
            })?;
        let parameters = parameters::parse(url.query().unwrap_or_default())?;
        let database = url.path().strip_prefix('/').unwrap_or_default();
        for (part, value) in [("user", url.username()), ("database", database)] {
            if decode(value, part)?.is_empty() {
                return Err(DatabaseUrlError::Missing { part });
            }
        }
        let password = decode(url.password().unwrap_or_default(), "password")?;
        let password = Some(password).filter(|password| !password.is_empty()).map(PasswordSource::Text);
        let host = match (url.host(), parameters.get("host")) {
            (_, Some(_)) if has_host => return Err(DatabaseUrlError::Repeated { key: "host" }),
            (_, Some(host)) => host.clone(),
            (Some(Host::Ipv6(address)), None) => address.to_string(),
            (host, None) => decode(&host.map(|host| host.to_string()).unwrap_or_default(), "host")?,
        };
        let is_name = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !(host.starts_with('/') || host.parse::<Ipv6Addr>().is_ok() || is_name(&host)) {
            return Err(DatabaseUrlError::Invalid { part: "host" });
        }
        let port = url.port().unwrap_or(DEFAULT_PORT);
        if port == 0 {
            return Err(DatabaseUrlError::Invalid { part: "port" });
        }
        // The options for sqlx: the user, the database, and these parameters. With a password it reads no password file.
        let read = ["sslcert", "sslkey", "options"].into_iter().filter_map(|key| Some((key, parameters.get(key)?)));
        url.query_pairs_mut().clear().extend_pairs(read);
        let options = url.set_password(Some("unused")).map(|()| PgConnectOptions::from_url(&url));
        let Ok(Ok(options)) = options else { return Err(DatabaseUrlError::Scheme) };
        Ok(Self { options: options.host(&host).port(port), password, parameters })
    }

    /// Returns `true` if a text may contain a password, so that it must not be on a command line, which other users of the machine
    /// can read. Also returns `true` for a text that is not a URL and may contain one.
    #[must_use]
    pub fn may_hold_password(text: &str) -> bool {
        // A text that does not parse is refused in any case; this chooses the more helpful error.
        let suspicious = || text.contains('@') || text.contains("password");
        Self::parse(text).map_or_else(|_| suspicious(), |url| url.has_password())
    }

    /// Returns `true` if there is a password, in the URL or given to [`with_password`](Self::with_password).
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Replaces the URL's password.
    #[must_use]
    pub fn with_password(mut self, password: PasswordSource) -> Self {
        self.password = Some(password);
        self
    }

    /// Returns `true` if the host is the folder of a Unix socket.
    fn is_socket(&self) -> bool {
        self.options.get_host().starts_with('/')
    }

    /// Returns `true` if the URL declares a pooler in transaction mode before the database. Otherwise the store detects one.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.parameters.get("pgbouncer").is_some_and(|value| value == "true")
    }

    /// Returns the time-out for connecting, if the URL sets one.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<Duration> {
        // For libpq 0 means no limit; here it means the default.
        let seconds = self.parameters.get("connect_timeout")?.parse().ok()?;
        Some(Duration::from_secs(seconds)).filter(|timeout| !timeout.is_zero())
    }

    /// Checks that the URL's files for TLS can be read, because a connection that fails without one looks like a server that is
    /// away.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read.
    pub fn check_files(&self) -> Result<(), DatabaseUrlError> {
        if self.is_socket() {
            return Ok(());
        }
        for key in ["sslrootcert", "sslcert", "sslkey"] {
            let Some(file) = self.parameters.get(key) else { continue };
            let file = if key == "sslrootcert" { &root_certificates(file)? } else { file };
            fs::File::open(file).map_err(|source| DatabaseUrlError::File { key, source })?;
        }
        Ok(())
    }

    /// Returns the options of a new connection. `application_name` is the default for the URL's. A password in a file is read
    /// again.
    ///
    /// The `Debug` of the returned options shows the password: never print it.
    ///
    /// # Errors
    /// Returns an error if the password's file cannot be read or is empty, or if `PGSSLMODE` is used and not valid.
    pub fn connect_options(&self, application_name: &str) -> Result<PgConnectOptions, DatabaseUrlError> {
        let parameter = |key| self.parameters.get(key).map(String::as_str);
        let root = parameter("sslrootcert")
            .map(str::to_owned)
            .or_else(|| std::env::var(SSL_ROOT_VARIABLE).ok())
            .filter(|file| !file.is_empty());
        let is_system = root.as_deref() == Some(SYSTEM);
        let ssl_mode = match (parameter("sslmode").and_then(ssl_mode), std::env::var_os(SSL_MODE_VARIABLE)) {
            (Some(mode), _) => mode,
            (None, Some(mode)) => mode
                .to_str()
                .and_then(ssl_mode)
                .ok_or(DatabaseUrlError::Value { key: SSL_MODE_VARIABLE, expected: SSL_MODES })?,
            (None, None) if is_system => PgSslMode::VerifyFull,
            (None, None) => PgSslMode::Prefer,
        };
        let root = match (root, ssl_mode) {
            _ if self.is_socket() => None,
            // Any server can have a certificate of one of the system's authorities, for its own name.
            (Some(_), mode) if is_system && !matches!(mode, PgSslMode::VerifyFull) => {
                return Err(DatabaseUrlError::Value {
                    key: "sslmode",
                    expected: "verify-full with sslrootcert=system",
                });
            }
            (root, _) => root.as_deref().map(root_certificates).transpose()?,
        };
        // An authority in the URL is always checked.
        let ssl_mode = match ssl_mode {
            _ if self.is_socket() => PgSslMode::Disable,
            PgSslMode::Require if root.is_some() => PgSslMode::VerifyCa,
            other => other,
        };
        // Without a password sqlx would send an empty one.
        let password = self.password.as_ref().map(PasswordSource::read).transpose()?.unwrap_or_default();
        let options = self.options.clone().password(&password).ssl_mode(ssl_mode);
        let options = options.application_name(parameter("application_name").unwrap_or(application_name));
        Ok(match &root {
            Some(file) => options.ssl_root_cert(file),
            None => options,
        })
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUrl")
            .field("user", &self.options.get_username())
            .field("host", &self.options.get_host())
            .field("port", &self.options.get_port())
            .field("database", &self.options.get_database().unwrap_or_default())
            .finish_non_exhaustive()
    }
}

/// Returns the file with the authorities of `sslrootcert`.
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

/// Refuses a text that parsers could split in different ways. Its scheme, with `://`, is `scheme` bytes long.
fn refuse_ambiguous(text: &str, scheme: usize) -> Result<(), DatabaseUrlError> {
    let first = |characters: &[char]| text[scheme..].find(characters).map_or(text.len(), |index| scheme + index);
    let (authority_end, query_start) = (first(&['/', '?']), first(&['?']));
    let at = text.find('@');
    for (count, (index, character)) in text.char_indices().enumerate() {
        let is_wrong = match character {
            '#' => true,
            // This character ends the user's name and password; a later one shows that one of them was not encoded.
            '@' => Some(index) != at || index > authority_end,
            '/' => index > authority_end && index < query_start,
            // `url` ends a port at this character, and some parsers end a host at it.
            '\\' => at.is_some_and(|at| index > at) && index < authority_end,
            '%' => !text[index + 1..].bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2),
            _ => character.is_whitespace() || character.is_control(),
        };
        if is_wrong {
            return Err(DatabaseUrlError::Character { position: count + 1 });
        }
    }
    Ok(())
}

/// Decodes percent-encoding, such as `%41`.
fn decode(text: &str, part: &'static str) -> Result<String, DatabaseUrlError> {
    // The protocol terminates texts with NUL.
    let text = percent_decode_str(text).decode_utf8().ok().filter(|text| !text.contains('\0'));
    text.map(Into::into).ok_or(DatabaseUrlError::NotText { part })
}
