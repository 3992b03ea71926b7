//! Connection strings: sealed before they are stored, masked before a client gets them.

use std::sync::Arc;

use quire_domain::{CannotOpen, ConnectionString, Nonce, Notebook, SecretKeys, ShownConnection, StoredConnection};
use quire_storage::StoreError;

use crate::ServiceError;

/// The keys of a service, and its policy without keys.
#[derive(Debug)]
pub(crate) struct Sealing {
    pub(crate) keys: Option<Arc<SecretKeys>>,
    /// `true` if the store may contain unsealed connection strings.
    pub(crate) plain: bool,
}

impl Sealing {
    /// Opens the notebook's connection string, if it has one.
    pub(crate) fn open(&self, notebook: &Notebook) -> Result<Option<ConnectionString>, CannotOpen> {
        let Some(stored) = &notebook.connection else { return Ok(None) };
        let opened = match (stored.plain(), &self.keys) {
            // A writer to the store could otherwise redirect the owner's queries to another database.
            (Some(_), _) if !self.plain => Err(CannotOpen::NotSealed),
            (Some(plain), _) => Ok(plain),
            (None, Some(keys)) => keys.open(stored, &notebook.id, &notebook.owner),
            (None, None) => Err(CannotOpen::NoKey),
        };
        opened.map(Some)
    }

    /// Returns the masked connection string. A string that cannot be opened is logged, and shown as unavailable.
    pub(crate) fn shown(&self, notebook: &Notebook) -> Option<ShownConnection> {
        let opened = self.open(notebook).inspect_err(|reason| {
            tracing::warn!(notebook = %notebook.id, %reason, "cannot open the notebook's connection string");
        });
        show(opened.as_ref())
    }

    /// Seals a string that the notebook's owner entered. Returns `None` if it is the current string or its masked form. A
    /// masked form with another database, for example, keeps the passwords.
    pub(crate) fn seal_entered(
        &self,
        notebook: &Notebook,
        entered: &ConnectionString,
    ) -> Result<Option<StoredConnection>, ServiceError> {
        let current = self.open(notebook);
        let same = matches!(&current, Ok(Some(current)) if current == entered);
        if same || show(current.as_ref()).is_some_and(|shown| shown.as_str() == entered.expose()) {
            return Ok(None);
        }
        if entered.is_masked() {
            let current = current.ok().flatten().ok_or(ServiceError::PasswordMasked)?;
            let unmasked = entered.unmasked(&current).ok_or(ServiceError::PasswordMasked)?;
            return if unmasked == current { Ok(None) } else { self.seal(notebook, &unmasked) };
        }
        self.seal(notebook, entered)
    }

    /// Seals a string for this notebook, or leaves it unsealed if that is allowed. Returns `None` for an empty string.
    pub(crate) fn seal(
        &self,
        notebook: &Notebook,
        entered: &ConnectionString,
    ) -> Result<Option<StoredConnection>, ServiceError> {
        match &self.keys {
            Some(keys) => Ok(Some(keys.seal(entered, &notebook.id, &notebook.owner, nonce()?)?)),
            None if self.plain => Ok(StoredConnection::new(entered.expose())?),
            None => Err(ServiceError::NoSecretKey),
        }
    }
}

fn show(opened: Result<&Option<ConnectionString>, &CannotOpen>) -> Option<ShownConnection> {
    match opened {
        Ok(connection) => connection.as_ref().map(ConnectionString::shown),
        Err(_) => Some(ShownConnection::unavailable()),
    }
}

fn nonce() -> Result<Nonce, ServiceError> {
    quire_storage::random_nonce().map_err(|error| {
        let action = "draw random bytes to seal a connection string".to_owned();
        ServiceError::Store(StoreError::Backend { action, source: error.to_string().into() })
    })
}
