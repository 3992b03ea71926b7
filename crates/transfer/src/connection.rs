//! Connection strings of imported and exported notebooks: sealed before they are stored, opened to be compared.

use std::sync::Arc;

use quire_domain::{Nonce, Notebook, SecretKeys, StoredConnection};

/// Treatment of connection strings in an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Connection strings remain as they are stored: only holders of the key can use them.
    #[default]
    Sealed,
    /// Connection strings are left out.
    Omit,
    /// Connection strings are opened, so that every reader of the copy can use them.
    Plain,
}

/// The keys of the installation, if there are any.
pub(crate) type Keys = Option<Arc<SecretKeys>>;

/// Reason why a connection string cannot be sealed or opened.
pub(crate) type Refusal = String;

/// Seals a plain connection string, and reseals one that an old key has sealed. A string that the keys do not open is
/// kept, because the right key may return; a clause that says so is returned.
pub(crate) fn seal(notebook: &mut Notebook, keys: &Keys) -> Result<Option<String>, Refusal> {
    let Some(stored) = &notebook.connection else { return Ok(None) };
    let Some(keys) = keys else {
        if stored.is_sealed() {
            return Ok(Some("its connection string stays sealed as it is: no secret key is set".to_owned()));
        }
        return Err(
            "it has a connection string, which must be sealed: set QUIRE_SECRET_KEY to the servers' key".to_owned()
        );
    };
    match keys.reseal(stored, &notebook.id, &notebook.owner, nonce()?) {
        Ok(None) => Ok(None),
        Ok(Some(sealed)) => {
            notebook.connection = Some(sealed);
            Ok(None)
        }
        Err(reason) => Ok(Some(format!("its connection string is kept as it is and cannot be used: {reason}"))),
    }
}

/// Changes the connection string of a notebook to its form in an export.
pub(crate) fn for_export(notebook: &mut Notebook, secrets: Secrets, keys: &Keys) -> Result<(), Refusal> {
    let Some(stored) = &notebook.connection else { return Ok(()) };
    match secrets {
        Secrets::Sealed => {}
        Secrets::Omit => notebook.connection = None,
        Secrets::Plain => {
            let no_key =
                || "its connection string cannot be opened: set QUIRE_SECRET_KEY to the servers' key".to_owned();
            let opened = keys.as_ref().ok_or_else(no_key)?.open(stored, &notebook.id, &notebook.owner);
            let opened = opened.map_err(|reason| format!("its connection string cannot be opened: {reason}"))?;
            notebook.connection = StoredConnection::new(opened.expose()).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Returns `true` if two notebooks have the same connection string, however each is sealed. Sealed texts that cannot be
/// opened are compared character by character.
pub(crate) fn is_same(one: &Notebook, other: &Notebook, keys: &Keys) -> bool {
    let (Some(first), Some(second)) = (&one.connection, &other.connection) else {
        return one.connection.is_none() && other.connection.is_none();
    };
    if first == second {
        return true;
    }
    let open = |stored: &StoredConnection, notebook: &Notebook| match keys {
        Some(keys) => keys.open(stored, &notebook.id, &notebook.owner).ok(),
        None => stored.plain(),
    };
    matches!((open(first, one), open(second, other)), (Some(first), Some(second)) if first == second)
}

fn nonce() -> Result<Nonce, Refusal> {
    quire_storage::random_nonce().map_err(|error| format!("there are no random bytes to seal with: {error}"))
}
