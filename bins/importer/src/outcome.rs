//! Outcome of a command.

use std::fmt;
use std::process::ExitCode;

use quire_config::ConfigError;
use quire_storage::error_chain;
use quire_transfer::{Outcome, Summary};

/// The exit codes, which `docs/migrating.md` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Well = 0,
    /// The run failed, or some files did.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// A verification found differences.
    Different = 3,
}

impl Exit {
    /// Returns the exit code for the worst of these lines.
    pub(crate) fn of(summary: &Summary) -> Self {
        if summary.has_any(&[Outcome::Different, Outcome::Missing]) {
            Self::Different
        } else if summary.has_any(&[Outcome::Invalid, Outcome::Failed]) {
            Self::Failed
        } else {
            Self::Well
        }
    }

    /// Returns the exit code of two commands in one run: differences take precedence over failures.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Different, _) | (_, Self::Different) => Self::Different,
            (Self::Well, other) => other,
            (this, _) => this,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Reason why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Returns the failure for a wrong command line or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Returns a failure with its causes, in one line.
    pub(crate) fn of(error: impl Into<anyhow::Error>) -> Self {
        let error: anyhow::Error = error.into();
        Self::new(Exit::Failed, error_chain(error.as_ref()))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
