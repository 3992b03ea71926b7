//! The keys of a URL's query.

use std::time::Duration;

use sqlx::postgres::PgSslMode;

use super::{DatabaseUrlError, decode};

/// What the query sets.
#[derive(Clone, Default)]
pub(super) struct Keys {
    pub(super) ssl_mode: Option<PgSslMode>,
    pub(super) ssl_root_cert: Option<String>,
    pub(super) ssl_cert: Option<String>,
    pub(super) ssl_key: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) options: Vec<(String, String)>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) host: Option<String>,
    pub(super) pgbouncer: bool,
}

impl Keys {
    pub(super) const NAMES: [&str; 10] = [
        "sslmode",
        "ssl",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "application_name",
        "options",
        "connect_timeout",
        "host",
        "pgbouncer",
    ];

    pub(super) fn parse(query: &str) -> Result<Self, DatabaseUrlError> {
        let mut keys = Self::default();
        let mut seen = Vec::new();
        for (index, parameter) in query.split('&').enumerate().filter(|(_, parameter)| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let known = Self::NAMES.into_iter().find(|known| *known == name);
            let key = known.ok_or(DatabaseUrlError::UnknownKey { number: index + 1 })?;
            let once = if key == "ssl" { "sslmode" } else { key };
            if seen.contains(&once) {
                return Err(DatabaseUrlError::Repeated { key });
            }
            seen.push(once);
            keys.set(key, decode(value, key)?)?;
        }
        Ok(keys)
    }

    fn set(&mut self, key: &'static str, value: String) -> Result<(), DatabaseUrlError> {
        if value.is_empty() {
            return Err(DatabaseUrlError::Value { key, expected: "something" });
        }
        match key {
            "sslmode" | "ssl" => self.ssl_mode = Some(ssl_mode(key, &value)?),
            "sslrootcert" => self.ssl_root_cert = Some(value),
            "sslcert" => self.ssl_cert = Some(value),
            "sslkey" => self.ssl_key = Some(value),
            "application_name" => self.application_name = Some(value),
            "options" => self.options = settings(&value)?,
            "connect_timeout" => {
                let seconds = value.parse::<u32>();
                let seconds =
                    seconds.map_err(|_parse| DatabaseUrlError::Value { key, expected: "a number of seconds" })?;
                // Nought is no limit for libpq; here it is the usual one.
                self.connect_timeout = Some(Duration::from_secs(seconds.into())).filter(|timeout| !timeout.is_zero());
            }
            "pgbouncer" => {
                let expected = "true or false";
                self.pgbouncer = value.parse().map_err(|_parse| DatabaseUrlError::Value { key, expected })?;
            }
            _ => self.host = Some(value),
        }
        Ok(())
    }
}

pub(super) fn ssl_mode(key: &'static str, value: &str) -> Result<PgSslMode, DatabaseUrlError> {
    Ok(match value {
        "disable" => PgSslMode::Disable,
        "allow" => PgSslMode::Allow,
        "prefer" => PgSslMode::Prefer,
        "require" => PgSslMode::Require,
        "verify-ca" => PgSslMode::VerifyCa,
        "verify-full" => PgSslMode::VerifyFull,
        _ => {
            let expected = "disable, allow, prefer, require, verify-ca or verify-full";
            return Err(DatabaseUrlError::Value { key, expected });
        }
    })
}

/// Settings of the session from `options`, in the forms of the server's command line: `-c name=value` and `--name=value`.
/// A backslash before a blank or a backslash keeps it. sqlx takes names and values only, not the text.
fn settings(options: &str) -> Result<Vec<(String, String)>, DatabaseUrlError> {
    let invalid = || DatabaseUrlError::Value { key: "options", expected: "settings such as `-c name=value`, encoded" };
    let mut settings = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (None, Some("")) => words.next().ok_or_else(invalid)?,
            (Some(setting), _) | (None, Some(setting)) => setting.to_owned(),
            (None, None) => return Err(invalid()),
        };
        let (name, value) = setting.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(invalid)?;
        settings.push((name.to_owned(), value.to_owned()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            (' ', _) => words.push(String::new()),
            ('\\', Some(word)) => word.extend(characters.next()),
            (_, Some(word)) => word.push(character),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
