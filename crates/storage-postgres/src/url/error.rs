//! Errors of a database's URL.

use super::parameters::names;

/// An error in a database's URL, or in what it names. No message holds any part of the URL but the names of known parameters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// It is no URL of a `PostgreSQL` database.
    #[error("the database's URL does not begin with `postgres://`, `postgresql://` or `postgresql+asyncpg://`")]
    Scheme,
    /// A character stands where it is not allowed, or where it makes the text ambiguous.
    #[error(
        "the database's URL has a special character at position {position} that must be percent-encoded: a user name or \
         password writes `@` as `%40`, `/` as `%2F`, `?` as `%3F`, `#` as `%23`, `%` as `%25` and a blank as `%20`"
    )]
    Character {
        /// Which of the text's characters it is, counted from 1.
        position: usize,
    },
    /// What is decoded is no text.
    #[error("the {part} in the database's URL is not UTF-8, or holds NUL, after percent-decoding")]
    NotText {
        /// Which part of the URL.
        part: &'static str,
    },
    /// A part is missing.
    #[error("the database's URL names no {part}: it must look like postgres://user@host:5432/database")]
    Missing {
        /// Which part of the URL.
        part: &'static str,
    },
    /// A part has no valid form.
    #[error(
        "the {part} in the database's URL is not valid; if the password has special characters, percent-encode them"
    )]
    Invalid {
        /// Which part of the URL.
        part: &'static str,
    },
    /// A parameter is unknown. It is not repeated, because it may be a part of a password that was not encoded.
    #[error("parameter {number} of the database's URL is not known; known are: {}", names())]
    UnknownKey {
        /// Which parameter, counted from 1.
        number: usize,
    },
    /// A parameter is there twice, by itself or by another name.
    #[error("the database's URL sets `{key}` twice")]
    Repeated {
        /// The parameter.
        key: &'static str,
    },
    /// A known parameter or variable has a value that it does not take.
    #[error("the value of `{key}` is not valid: it must be {expected}")]
    Value {
        /// The parameter, or the environment variable.
        key: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A file that the URL names cannot be read.
    #[error("the file that `{key}` of the database's URL names cannot be read")]
    File {
        /// The parameter.
        key: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The file with the password cannot be read. It is not named: its name may be the password that somebody put there.
    #[error("the file that should hold the database's password cannot be read")]
    PasswordFile {
        /// Why.
        source: std::io::Error,
    },
    /// The file with the password holds none.
    #[error("the file that should hold the database's password is empty, or holds NUL")]
    NoPassword,
}
