//! The connection string of a notebook's SQL cells: a secret.

use std::fmt;
use std::sync::Arc;

use crate::limits::{self, Invalid};

/// A connection string. It may hold a password, so `Debug` shows nothing of it and `Display` does not exist.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString(Arc<str>);

impl ConnectionString {
    /// Takes a text; the empty one means that there is none.
    ///
    /// # Errors
    /// When it is longer than [`limits::CONNECTION_CHARS`] or holds NUL.
    pub fn new(text: &str) -> Result<Option<Self>, Invalid> {
        limits::short_text("the connection string", limits::CONNECTION_CHARS, text)?;
        Ok(if text.is_empty() { None } else { Some(Self(Arc::from(text))) })
    }

    /// The secret text, for the places that must have it: the store and the owner.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_text() {
        let secret = ConnectionString::new("postgres://u:hunter2@h/d").unwrap().unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(ConnectionString::new("").unwrap(), None);
        assert!(ConnectionString::new(&"x".repeat(2_049)).is_err());
    }
}
