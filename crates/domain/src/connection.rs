//! The connection string of a notebook's SQL cells: a secret.

use std::fmt;
use std::sync::Arc;

use crate::limits::{self, Invalid};

/// The name of both in errors about limits.
const WHAT: &str = "the connection string";

/// A connection string as its owner knows it. It may hold a password, so `Debug` shows nothing of it and `Display` does
/// not exist.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString(Arc<str>);

impl ConnectionString {
    /// Takes a text; the empty one means that there is none.
    ///
    /// # Errors
    /// When it is longer than [`limits::CONNECTION_CHARS`] or holds NUL.
    pub fn new(text: &str) -> Result<Option<Self>, Invalid> {
        limits::short_text(WHAT, limits::CONNECTION_CHARS, text)?;
        Ok(if text.is_empty() { None } else { Some(Self(Arc::from(text))) })
    }

    /// The secret text, for whoever connects with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionString(hidden)")
    }
}

/// A connection string as notebooks carry it and stores keep it: sealed, or plain where files are kept without a secret
/// key. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredConnection(Arc<str>);

impl StoredConnection {
    /// Prefix of every sealed text, and of no plain one.
    pub const SEALED_PREFIX: &'static str = "q1.";

    /// Takes a text as it was stored; the empty one means that there is none.
    ///
    /// # Errors
    /// When it is longer than a sealed text can be ([`limits::SEALED_CONNECTION_CHARS`]), or, being plain, than
    /// [`limits::CONNECTION_CHARS`]; or when it holds NUL.
    pub fn new(text: &str) -> Result<Option<Self>, Invalid> {
        let sealed = text.starts_with(Self::SEALED_PREFIX);
        let limit = if sealed { limits::SEALED_CONNECTION_CHARS } else { limits::CONNECTION_CHARS };
        limits::short_text(WHAT, limit, text)?;
        Ok(if text.is_empty() { None } else { Some(Self(Arc::from(text))) })
    }

    /// Returns `true` if it can be read with the secret key only.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.0.starts_with(Self::SEALED_PREFIX)
    }

    /// The text that was entered, where it is kept as it was.
    #[must_use]
    pub fn plain(&self) -> Option<ConnectionString> {
        (!self.is_sealed()).then(|| ConnectionString(Arc::clone(&self.0)))
    }

    /// The id of the key that it was sealed with, and what was sealed; `None` when it is not, or not wholly, a sealed text.
    pub(crate) fn sealed_parts(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix(Self::SEALED_PREFIX)?.split_once('.')
    }

    /// A sealed text of these parts.
    pub(crate) fn sealed(key_id: &str, sealed: &str) -> Result<Self, Invalid> {
        let text = format!("{}{key_id}.{sealed}", Self::SEALED_PREFIX);
        limits::short_text(WHAT, limits::SEALED_CONNECTION_CHARS, &text)?;
        Ok(Self(Arc::from(text)))
    }

    /// The text to store; a secret unless it [is sealed](Self::is_sealed).
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredConnection(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_text() {
        let secret = ConnectionString::new("postgres://u:hunter2@h/d").unwrap().unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
        let stored = StoredConnection::new("postgres://u:hunter2@h/d").unwrap().unwrap();
        assert!(!format!("{stored:?}").contains("hunter2"));
        assert_eq!(ConnectionString::new("").unwrap(), None);
        assert!(ConnectionString::new(&"x".repeat(2_049)).is_err());
    }

    #[test]
    fn a_sealed_text_may_be_longer_than_a_plain_one() {
        assert!(StoredConnection::new(&"x".repeat(2_049)).is_err());
        assert!(StoredConnection::new(&format!("q1.{}", "x".repeat(2_049))).unwrap().unwrap().is_sealed());
    }
}
