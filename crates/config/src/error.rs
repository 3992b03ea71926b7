use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use crate::Origin;

/// The exit code of a program that cannot start as it was configured.
const USAGE: u8 = 2;

/// The reason why a program does not start.
#[derive(Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The help or the version was asked for; this is it.
    Help(String),
    /// The configuration cannot be used; one sentence that says what is wrong, and where.
    Invalid(String),
}

impl ConfigError {
    /// An error in the value of an option. A value that may be a secret is not shown.
    #[must_use]
    pub fn value(key: &str, value: &str, origin: Option<&Origin>, must: &str) -> Self {
        let shown = if may_be_secret(value) { String::new() } else { format!(" {value:?}") };
        let origin = origin.map_or_else(|| "the default".to_owned(), ToString::to_string);
        Self::Invalid(format!("Invalid {key}{shown} from {origin}: {must}."))
    }

    /// An error in what the options say together of the database or of the secret keys.
    pub(crate) fn settings(what: impl fmt::Display) -> Self {
        Self::Invalid(format!("The settings cannot be used: {what}."))
    }

    /// Prints the text where it belongs, and returns the code with which the program ends.
    #[must_use]
    pub fn report(&self, program: &str) -> ExitCode {
        match self {
            Self::Help(text) => match write!(io::stdout(), "{text}") {
                // A reader that closed the pipe has seen enough.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    let _ = writeln!(io::stderr(), "{program}: Cannot print the help: {error}."); // standard error may be closed
                    ExitCode::FAILURE
                }
                _ => ExitCode::SUCCESS,
            },
            Self::Invalid(sentence) => {
                let _ = writeln!(io::stderr(), "{program}: {sentence}"); // standard error may be closed
                USAGE.into()
            }
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Help(text) | Self::Invalid(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for ConfigError {}

/// Returns `true` if a text may be, or hold, a URL with a password.
pub(crate) fn may_be_secret(text: &str) -> bool {
    text.contains('@') || text.contains("://") || text.to_ascii_lowercase().contains("password")
}
