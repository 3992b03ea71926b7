//! Outcome of a command.

use std::fmt;
use std::process::ExitCode;

use quire_config::ConfigError;
use quire_migration::{MigrateError, SchemaState};
use quire_storage::error_chain;

/// The exit codes, which `docs/schema.md` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or current.
    Done = 0,
    /// Any other failure.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Refused, for a reason that a person can correct.
    Refused = 3,
    /// Steps are pending or incomplete.
    Behind = 4,
    /// The database has steps that this build does not know.
    Ahead = 5,
    /// The live schema differs from the expected one.
    Drift = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&SchemaState> for Exit {
    fn from(state: &SchemaState) -> Self {
        match state {
            SchemaState::Current => Self::Done,
            SchemaState::NotMigrated
            | SchemaState::Elsewhere { .. }
            | SchemaState::Behind { .. }
            | SchemaState::Unfinished { .. } => Self::Behind,
            SchemaState::Ahead { .. } => Self::Ahead,
            SchemaState::Changed { .. } => Self::Refused,
        }
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
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        let exit = match &error {
            MigrateError::Ahead { .. } => Exit::Ahead,
            refusal if refusal.is_refusal() => Exit::Refused,
            _ => Exit::Failed,
        };
        Self::new(exit, error_chain(&error))
    }
}
