//! Sealing of connection strings, so that stored data reveals none.
//!
//! A sealed text is `q1.<key id>.<nonce and ciphertext in base 64>`: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), whose
//! nonces are long enough to be drawn at random. The notebook's id and its owner are associated data, so that a sealed
//! text that was moved to another notebook, whose owner might then use it, does not open.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

use crate::limits::{self, Invalid};
use crate::{ConnectionString, NotebookId, StoredConnection, UserId};

/// Random bytes that must be drawn for each sealing.
pub type Nonce = [u8; NONCE_BYTES];

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
/// Bytes of a key's digest that make its id.
const KEY_ID_BYTES: usize = 8;

/// A secret key. `Debug` shows only its id. Its bytes are overwritten when it is dropped.
#[derive(Clone)]
pub struct SecretKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// The reason why a text is no secret key. It reveals nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The text is not base 64.
    #[error("it must be {KEY_BYTES} bytes in base 64, and it is not base 64")]
    NotBase64,
    /// The key has another size.
    #[error("it must be {KEY_BYTES} bytes in base 64, and it is {bytes} bytes")]
    Length {
        /// Its size in bytes.
        bytes: usize,
    },
}

/// The reason why a stored connection string cannot be opened. It reveals nothing of the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// There is no key.
    #[error("it is sealed and there is no secret key")]
    NoKey,
    /// It was sealed with another key.
    #[error("it is sealed with another secret key")]
    OtherKey,
    /// It was changed, or sealed for another notebook or owner.
    #[error("it was altered, or belongs to another notebook or owner")]
    Altered,
    /// It does not have the form of a sealed text.
    #[error("it is not a whole sealed text")]
    Malformed,
    /// It is plain text where only sealed texts are allowed.
    #[error("it is not sealed, as everything in this store must be")]
    NotSealed,
}

/// The keys of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKeys {
    /// The key that seals from now on.
    pub current: SecretKey,
    /// The key before the last change, with which texts may still be sealed.
    pub old: Option<SecretKey>,
}

impl SecretKey {
    /// Reads a key: 32 bytes in base 64, of the standard or the URL-safe alphabet, with or without padding. Blanks around
    /// it, such as a line break at the end of a file, are ignored.
    ///
    /// # Errors
    /// [`InvalidKey`] gives the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(&alphabet, config).decode(text).or(Err(InvalidKey::NotBase64))?;
        let key: [u8; KEY_BYTES] =
            bytes.try_into().map_err(|bytes: Vec<u8>| InvalidKey::Length { bytes: bytes.len() })?;
        let digest = Sha256::new().chain_update("quire key id").chain_update(key).finalize();
        let id = URL_SAFE_NO_PAD.encode(&digest[..KEY_ID_BYTES]);
        Ok(Self { id, cipher: XChaCha20Poly1305::new(&key.into()) })
    }

    /// Returns the id by which sealed texts name the key: a part of a digest, which does not reveal the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Keys are compared by their ids, because the time of comparing the keys themselves would reveal them.
impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, hidden)", self.id)
    }
}

impl SecretKeys {
    /// Seals a connection string for this notebook of this owner, with the current key.
    ///
    /// # Errors
    /// When the sealed text would be too long for a store, which no [`ConnectionString`] causes.
    pub fn seal(
        &self,
        plain: &ConnectionString,
        notebook: &NotebookId,
        owner: &UserId,
        nonce: Nonce,
    ) -> Result<StoredConnection, Invalid> {
        let SecretKey { id, cipher } = &self.current;
        let bound = bound_to(notebook, owner);
        let what = Payload { msg: plain.expose().as_bytes(), aad: &bound };
        let too_long = |_| {
            let (limit, actual) = (limits::SEALED_CONNECTION_CHARS, plain.expose().len());
            Invalid::TooLarge { what: "the connection string", unit: "bytes", limit, actual }
        };
        let mut sealed = nonce.to_vec();
        sealed.extend(cipher.encrypt(&XNonce::from(nonce), what).map_err(too_long)?);
        StoredConnection::sealed(id, &URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens the stored connection string of this notebook of this owner. A plain text is returned as it is.
    ///
    /// # Errors
    /// [`CannotOpen`] gives the reason; never [`CannotOpen::NoKey`] or [`CannotOpen::NotSealed`].
    pub fn open(
        &self,
        stored: &StoredConnection,
        notebook: &NotebookId,
        owner: &UserId,
    ) -> Result<ConnectionString, CannotOpen> {
        if let Some(plain) = stored.plain() {
            return Ok(plain);
        }
        let (key_id, sealed) = stored.sealed_parts().ok_or(CannotOpen::Malformed)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).or(Err(CannotOpen::Malformed))?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(CannotOpen::Malformed)?;
        let key = [Some(&self.current), self.old.as_ref()].into_iter().flatten().find(|key| key.id == key_id);
        let key = key.ok_or(CannotOpen::OtherKey)?;
        let what = Payload { msg: sealed, aad: &bound_to(notebook, owner) };
        let plain = key.cipher.decrypt(&XNonce::from(*nonce), what).or(Err(CannotOpen::Altered))?;
        // Whatever opens was a connection string when it was sealed.
        let plain = String::from_utf8(plain).or(Err(CannotOpen::Malformed))?;
        ConnectionString::new(&plain).ok().flatten().ok_or(CannotOpen::Malformed)
    }

    /// Seals a text with the current key that was sealed with the old one, or not at all; `None` when it is sealed with the current
    /// one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reseal(
        &self,
        stored: &StoredConnection,
        notebook: &NotebookId,
        owner: &UserId,
        nonce: Nonce,
    ) -> Result<Option<StoredConnection>, CannotOpen> {
        // Opened even when it is sealed with the current key, so that resealing all notebooks reports those that cannot be opened.
        let plain = self.open(stored, notebook, owner)?;
        if stored.sealed_parts().is_some_and(|(key_id, _)| key_id == self.current.id) {
            return Ok(None);
        }
        self.seal(&plain, notebook, owner, nonce).map(Some).or(Err(CannotOpen::Malformed))
    }
}

/// Returns the associated data, with the length before each text, so that no other notebook and owner have the same bytes.
fn bound_to(notebook: &NotebookId, owner: &UserId) -> Vec<u8> {
    let mut bound = b"quire connection string 1".to_vec();
    for text in [notebook.as_str(), owner.as_str()] {
        bound.extend((text.len() as u64).to_le_bytes());
        bound.extend(text.as_bytes());
    }
    bound
}
