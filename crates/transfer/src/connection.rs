//! Connection strings on their way in and out: sealed before anything is stored, opened to be compared.

use std::sync::Arc;

use quire_domain::{Nonce, Notebook, SecretKeys, StoredConnection};

/// What becomes of connection strings in an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// They stay as they are stored: who has the key can use them, nobody else.
    #[default]
    Sealed,
    /// They are left out.
    Omit,
    /// They are opened: everybody who can read the copy can use them.
    Plain,
}

/// The keys of the installation, if there are any.
pub(crate) type Keys = Option<Arc<SecretKeys>>;

/// A connection string that cannot be brought into the form it should have.
pub(crate) type Refusal = String;

/// Seals what is plain, and seals anew what an old key has sealed. What the keys do not open is kept as it is, since the
/// right key may come back, and this says so in a clause.
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

/// The notebook with its connection string as an export shall have it.
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

/// Whether two notebooks have one connection string, however each is sealed. Sealed texts that cannot be opened are the
/// same when every character is.
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
