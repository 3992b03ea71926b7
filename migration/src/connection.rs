//! Connections to the server under `libpq`'s rules for TLS, and clear errors where there is none.

use std::borrow::Cow;
use std::fmt;
use std::io::ErrorKind as IoKind;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgConnection};

/// Connects once. As for `libpq`, `sslmode` does not apply to Unix sockets. `allow` retries with TLS if the server
/// refuses a connection without it. `prefer` retries without TLS if the server does not offer TLS or refuses a
/// connection with it.
///
/// # Errors
///
/// If no connection can be made. The error shows no part of the password.
pub async fn connect_once(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let with = |mode| options.clone().ssl_mode(mode);
    let is_socket = options.get_socket().is_some() || options.get_host().starts_with('/');
    let (first, second) = match options.get_ssl_mode() {
        _ if is_socket => (PgSslMode::Disable, None),
        PgSslMode::Allow => (PgSslMode::Disable, Some(PgSslMode::Require)),
        PgSslMode::Prefer => (PgSslMode::Prefer, Some(PgSslMode::Disable)),
        other => (other, None),
    };
    let refused = match (with(first).connect().await, second) {
        (Ok(connection), _) => return Ok(connection),
        (Err(error), Some(second)) if may_pass_otherwise(&error) => match with(second).connect().await {
            Ok(connection) => return Ok(connection),
            Err(other) if tells_more(&other, &error) => other,
            Err(_other) => error,
        },
        (Err(error), _) => error,
    };
    Err(tidied(refused))
}

/// Returns `true` if another attempt, with TLS or without, may succeed: the server refused access, or the TLS handshake
/// failed.
fn may_pass_otherwise(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("28")),
        sqlx::Error::Io(error) => {
            matches!(error.kind(), IoKind::InvalidData | IoKind::UnexpectedEof | IoKind::ConnectionReset)
        }
        sqlx::Error::Tls(_) => true,
        _ => false,
    }
}

/// Returns `true` if `one` is more informative: a wrong password tells more than a refusal of this kind of connection
/// (28000), and that tells more than a lack of TLS.
fn tells_more(one: &sqlx::Error, other: &sqlx::Error) -> bool {
    let rank = |error: &sqlx::Error| match error.as_database_error().and_then(DatabaseError::code) {
        None => 0,
        Some(code) if code == "28000" => 1,
        Some(_) => 2,
    };
    rank(one) > rank(other)
}

/// Removes useless parts of an error: the line in the server's own source, which sqlx appends to a message, and the
/// characters of a password that `SASLprep` refuses.
#[must_use]
pub fn tidied(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Database(error) => sqlx::Error::Database(Box::new(DatabaseMessage(error))),
        // sqlx has no error kind of its own for this.
        sqlx::Error::Configuration(error) if error.to_string().starts_with("Failed to saslprep") => {
            let said = "the database's user name or password has a character, such as a control character, that this program \
                        cannot send to a server that asks for SCRAM-SHA-256; give the role another password";
            sqlx::Error::Configuration(said.into())
        }
        other => other,
    }
}

/// Returns PostgreSQL's code of an error that the database, or a pooler in front of it, has answered.
#[must_use]
pub fn error_code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    code(error.as_database_error()?)
}

fn code(answer: &dyn DatabaseError) -> Option<Cow<'_, str>> {
    let code = answer.code()?;
    let of_pooler = if code == "08P01" { pooler_code(answer.message()) } else { None };
    Some(of_pooler.map_or(code, Cow::Borrowed))
}

/// Returns PostgreSQL's code for what `PgBouncer` says while the server behind it is away or itself is full. Its own code is that of
/// a protocol violation (08P01), as for start-up parameters that it refuses and for wrong passwords, which do not pass.
fn pooler_code(message: &str) -> Option<&'static str> {
    const NO_SERVER: [&str; 4] = ["connect failed", "(server down)", "query_wait_timeout", "server conn crashed"];
    // From 1.19 on the refusal has the error that is retried, which may be a wrong password.
    let is_retry = message.contains("(server_login_retry)") && !message.contains("cached error");
    if is_retry || NO_SERVER.iter().any(|said| message.contains(said)) {
        return Some("57P03");
    }
    message.contains("(max_client_conn)").then_some("53300")
}

/// An error response of the server that is displayed as its message alone.
#[derive(Debug)]
struct DatabaseMessage(Box<dyn DatabaseError>);

impl fmt::Display for DatabaseMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl std::error::Error for DatabaseMessage {}

impl DatabaseError for DatabaseMessage {
    fn message(&self) -> &str {
        self.0.message()
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        code(&*self.0)
    }

    fn constraint(&self) -> Option<&str> {
        self.0.constraint()
    }

    fn table(&self) -> Option<&str> {
        self.0.table()
    }

    fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }
}
