//! The connection string of a notebook's SQL cells: a secret.

use std::fmt;
use std::sync::Arc;

use crate::limits::{self, Invalid};

/// The name of a connection string in errors about limits.
const NAME: &str = "the connection string";

/// A connection string as its owner entered it. It may hold a password, so `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString(Arc<str>);

impl ConnectionString {
    /// Makes a connection string of a text; an empty text is none.
    ///
    /// # Errors
    /// When it is longer than [`limits::CONNECTION_CHARS`] or holds NUL.
    pub fn new(text: &str) -> Result<Option<Self>, Invalid> {
        limits::short_text(NAME, limits::CONNECTION_CHARS, text)?;
        Ok(if text.is_empty() { None } else { Some(Self(Arc::from(text))) })
    }

    /// Returns the secret text, to connect with.
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

/// A connection string as it is stored: sealed, or plain in files without a secret key. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredConnection(Arc<str>);

impl StoredConnection {
    /// Prefix of every sealed text, and of no plain one.
    pub const SEALED_PREFIX: &'static str = "q1.";

    /// Makes a stored connection string of a stored text; an empty text is none.
    ///
    /// # Errors
    /// When it is longer than a sealed text can be ([`limits::SEALED_CONNECTION_CHARS`]), or, being plain, than
    /// [`limits::CONNECTION_CHARS`]; or when it holds NUL.
    pub fn new(text: &str) -> Result<Option<Self>, Invalid> {
        let sealed = text.starts_with(Self::SEALED_PREFIX);
        let limit = if sealed { limits::SEALED_CONNECTION_CHARS } else { limits::CONNECTION_CHARS };
        limits::short_text(NAME, limit, text)?;
        Ok(if text.is_empty() { None } else { Some(Self(Arc::from(text))) })
    }

    /// Returns `true` if it is sealed, so that it can be read only with the secret key.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.0.starts_with(Self::SEALED_PREFIX)
    }

    /// Returns the text that was entered, if it is stored plain.
    #[must_use]
    pub fn plain(&self) -> Option<ConnectionString> {
        (!self.is_sealed()).then(|| ConnectionString(Arc::clone(&self.0)))
    }

    /// Returns the id of the key that it was sealed with, and the sealed part; `None` when it is no valid sealed text.
    pub(crate) fn sealed_parts(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix(Self::SEALED_PREFIX)?.split_once('.')
    }

    /// Makes a sealed text of these parts.
    pub(crate) fn sealed(key_id: &str, sealed: &str) -> Result<Self, Invalid> {
        let text = format!("{}{key_id}.{sealed}", Self::SEALED_PREFIX);
        limits::short_text(NAME, limits::SEALED_CONNECTION_CHARS, &text)?;
        Ok(Self(Arc::from(text)))
    }

    /// Returns the text to store; it is a secret unless it [is sealed](Self::is_sealed).
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
