//! The URL of the database, and the password that may come from elsewhere.
//!
//! `url` and sqlx parse it. They would accept a special character that somebody forgot to encode, which moves parts of the
//! password into the host or the database's name, from where they reach logs; sqlx logs the values of parameters that it does
//! not know, and its errors repeat parts of the text. So a text with two readings, or with a parameter that is not known, is
//! refused before they see it, and no error repeats any of it.

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
    /// All but what [`connect_options`](Self::connect_options) adds.
    options: PgConnectOptions,
    password: Option<PasswordSource>,
    parameters: Parameters,
}

impl DatabaseUrl {
    /// Parses a URL, without blanks around it.
    ///
    /// # Errors
    /// When the text is not a URL of a database, or has more than one reading.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(DatabaseUrlError::Scheme)?;
        if !SCHEMES.contains(&scheme) {
            return Err(DatabaseUrlError::Scheme);
        }
        let authority = text.len() - rest.len();
        refuse_ambiguous(text, authority)?;
        // `url` wants a host where there is a user.
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
        // What sqlx reads: the user, the database, and these parameters. With a password it looks for none elsewhere.
        let read = ["sslcert", "sslkey", "options"].into_iter().filter_map(|key| Some((key, parameters.get(key)?)));
        url.query_pairs_mut().clear().extend_pairs(read);
        let options = url.set_password(Some("unused")).map(|()| PgConnectOptions::from_url(&url));
        let Ok(Ok(options)) = options else { return Err(DatabaseUrlError::Scheme) };
        Ok(Self { options: options.host(&host).port(port), password, parameters })
    }

    /// Returns `true` if a text may hold a password, so that it does not belong on a command line, which other users of the
    /// machine can read. The text need not be a URL; in doubt it may hold one.
    #[must_use]
    pub fn may_hold_password(text: &str) -> bool {
        // A text that does not parse is refused anyway; this is about which complaint helps.
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

    /// Returns `true` if the URL says that a pooler in transaction mode stands before the database. Where it does not, the store
    /// finds out.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.parameters.get("pgbouncer").is_some_and(|value| value == "true")
    }

    /// Maximum time for connecting, if the URL sets one.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<Duration> {
        // Nought is no limit for libpq; here it is the usual one.
        let seconds = self.parameters.get("connect_timeout")?.parse().ok()?;
        Some(Duration::from_secs(seconds)).filter(|timeout| !timeout.is_zero())
    }

    /// Checks that the URL's files for TLS can be read. A connection that fails for want of one looks like a server that is
    /// away.
    ///
    /// # Errors
    /// When one cannot be read.
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

    /// Options of a new connection. `application_name` counts unless the URL names another. A password in a file is read again.
    ///
    /// The `Debug` of what is returned shows the password: never print it.
    ///
    /// # Errors
    /// When the password's file cannot be read or is empty, or `PGSSLMODE` counts and is not valid.
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
        // Without a password sqlx would send an empty one too.
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

/// Refuses a text that parsers split in different ways. Its scheme, with `://`, is `scheme` bytes long.
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
            // `url` ends a port with it, and some parsers a host.
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

/// Decodes `%41`.
fn decode(text: &str, part: &'static str) -> Result<String, DatabaseUrlError> {
    // The protocol ends texts with NUL.
    let text = percent_decode_str(text).decode_utf8().ok().filter(|text| !text.contains('\0'));
    text.map(Into::into).ok_or(DatabaseUrlError::NotText { part })
}
