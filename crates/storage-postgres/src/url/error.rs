//! Errors of a database's URL.

use super::parameters::names;

/// An error in a database's URL, or in a file that it names. No message contains any part of the URL but the names of known
/// parameters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// The text is not a URL of a `PostgreSQL` database.
    #[error("the database's URL does not begin with `postgres://`, `postgresql://` or `postgresql+asyncpg://`")]
    Scheme,
    /// A character is not allowed at its position, or makes the text ambiguous.
    #[error(
        "the database's URL has a special character at position {position} that must be percent-encoded: a user name or \
         password writes `@` as `%40`, `/` as `%2F`, `?` as `%3F`, `#` as `%23`, `%` as `%25` and a blank as `%20`"
    )]
    Character {
        /// Position of the character, counted from 1.
        position: usize,
    },
    /// A decoded part is not text.
    #[error("the {part} in the database's URL is not UTF-8, or holds NUL, after percent-decoding")]
    NotText {
        /// The part of the URL.
        part: &'static str,
    },
    /// A part is missing.
    #[error("the database's URL names no {part}: it must look like postgres://user@host:5432/database")]
    Missing {
        /// The part of the URL.
        part: &'static str,
    },
    /// A part has no valid form.
    #[error(
        "the {part} in the database's URL is not valid; if the password has special characters, percent-encode them"
    )]
    Invalid {
        /// The part of the URL.
        part: &'static str,
    },
    /// A parameter is unknown. It is not repeated, because it may be a part of a password that was not encoded.
    #[error("parameter {number} of the database's URL is not known; known are: {}", names())]
    UnknownKey {
        /// Number of the parameter, counted from 1.
        number: usize,
    },
    /// A parameter is set twice, by one name or by two.
    #[error("the database's URL sets `{key}` twice")]
    Repeated {
        /// The parameter.
        key: &'static str,
    },
    /// The value of a known parameter or variable is not valid.
    #[error("the value of `{key}` is not valid: it must be {expected}")]
    Value {
        /// The parameter, or the environment variable.
        key: &'static str,
        /// Description of valid values.
        expected: &'static str,
    },
    /// A file that the URL names cannot be read.
    #[error("the file that `{key}` of the database's URL names cannot be read")]
    File {
        /// The parameter.
        key: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// The file with the password cannot be read. The message does not name it, because its name may be a password by mistake.
    #[error("the file that should hold the database's password cannot be read")]
    PasswordFile {
        /// The cause.
        source: std::io::Error,
    },
    /// The file with the password is empty.
    #[error("the file that should hold the database's password is empty, or holds NUL")]
    NoPassword,
}
