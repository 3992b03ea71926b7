//! The parameters of a URL's query.

use std::collections::HashMap;

use sqlx::postgres::PgSslMode;

use super::{DatabaseUrlError, decode};

/// The parameters of a URL, decoded and valid, by name; `ssl` is stored as `sslmode`.
pub(super) type Parameters = HashMap<&'static str, String>;

/// A parameter that a URL may have.
struct KnownParameter {
    name: &'static str,
    /// Description of valid values.
    expected: &'static str,
    is_valid: fn(&str) -> bool,
}

const fn known(name: &'static str, expected: &'static str, is_valid: fn(&str) -> bool) -> KnownParameter {
    KnownParameter { name, expected, is_valid }
}

const ANY: &str = "something";
pub(super) const SSL_MODES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

static KNOWN: [KnownParameter; 10] = [
    known("sslmode", SSL_MODES, |value| ssl_mode(value).is_some()),
    known("ssl", SSL_MODES, |value| ssl_mode(value).is_some()), // the name in asyncpg
    known("sslrootcert", ANY, |_| true),
    known("sslcert", ANY, |_| true),
    known("sslkey", ANY, |_| true),
    known("application_name", ANY, |_| true),
    known("options", "settings such as `-c name=value`, encoded", are_settings),
    known("connect_timeout", "a number of seconds", |value| value.parse::<u32>().is_ok()),
    known("host", ANY, |_| true),
    known("pgbouncer", "true or false", |value| value.parse::<bool>().is_ok()),
];

/// Returns the names of all parameters, for a message.
pub(super) fn names() -> String {
    KNOWN.each_ref().map(|known| known.name).join(", ")
}

/// Parses a query. sqlx would log the value of an unknown parameter, and its errors repeat values.
pub(super) fn parse(query: &str) -> Result<Parameters, DatabaseUrlError> {
    let mut parameters = Parameters::new();
    for (index, parameter) in query.split('&').enumerate().filter(|(_, parameter)| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let known = KNOWN.iter().find(|known| known.name == name);
        let &KnownParameter { name: key, expected, is_valid } =
            known.ok_or(DatabaseUrlError::UnknownKey { number: index + 1 })?;
        let value = decode(value, key)?;
        if value.is_empty() || !is_valid(&value) {
            let expected = if value.is_empty() { ANY } else { expected };
            return Err(DatabaseUrlError::Value { key, expected });
        }
        let name = if key == "ssl" { "sslmode" } else { key };
        if parameters.insert(name, value).is_some() {
            return Err(DatabaseUrlError::Repeated { key });
        }
    }
    Ok(parameters)
}

/// Returns the mode with a name of libpq, which is in lower case.
pub(super) fn ssl_mode(name: &str) -> Option<PgSslMode> {
    name.parse().ok().filter(|_| !name.contains(char::is_uppercase))
}

/// Returns `true` for settings of the session in the forms of the server's command line, `-c name=value` and `--name=value`,
/// in which a backslash escapes a blank.
fn are_settings(options: &str) -> bool {
    let options = options.replace("\\\\", "").replace("\\ ", "");
    let mut words = options.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = if word == "-c" { words.next() } else { word.strip_prefix("--").or(word.strip_prefix("-c")) };
        if setting.is_none_or(|setting| setting.find('=') <= Some(0)) {
            return false;
        }
    }
    true
}
