//! Sources of the password of a database.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::DatabaseUrlError;

/// The source of a password. `Debug` does not show it.
#[derive(Clone)]
pub enum PasswordSource {
    /// The password.
    Text(String),
    /// A file with the password, read for each [`super::DatabaseUrl::connect_options`]; one line break at its end is ignored.
    File(PathBuf),
}

impl PasswordSource {
    pub(super) fn read(&self) -> Result<String, DatabaseUrlError> {
        let path = match self {
            Self::Text(password) => return Ok(password.clone()),
            Self::File(path) => path,
        };
        let text = fs::read_to_string(path).map_err(|source| DatabaseUrlError::PasswordFile { source })?;
        let password = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
        if password.is_empty() || password.contains('\0') {
            return Err(DatabaseUrlError::NoPassword);
        }
        Ok(password.to_owned())
    }
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(hidden)"),
            Self::File(_) => f.write_str("File(hidden)"),
        }
    }
}
