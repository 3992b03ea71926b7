//! Clerk's session tokens: settings, and the checks of a token.

use jsonwebtoken::DecodingKey;

use super::error::{AuthError, InvalidToken};
use super::keys::{FetchedKeys, MissingKey};
use super::signed_in::SignedIn;
use super::token::{self, Rules};
use super::{fetch, signatures};

/// The issuer whose tokens are accepted, and the parties for which tokens must have been made.
#[derive(Clone, Debug)]
pub struct ClerkSettings {
    /// The `iss` of tokens: the address of Clerk's Frontend API, without a slash at the end.
    pub issuer: String,
    /// The source of the issuer's keys.
    pub keys: ClerkKeys,
    /// The values of `azp` that are accepted: the origins whose pages may use the server.
    pub authorized_parties: Vec<String>,
    /// Accepts tokens without `azp`.
    pub party_may_be_missing: bool,
}

/// The source of the issuer's keys.
#[derive(Clone, Debug)]
pub enum ClerkKeys {
    /// At the issuer's address, at `/.well-known/jwks.json`.
    OfIssuer,
    /// At this URL, as a JSON Web Key Set (RFC 7517).
    At(String),
    /// This RSA key in PEM; nothing is fetched.
    Pem(String),
}

/// An error in Clerk's settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClerk {
    /// The issuer is not an allowed URL.
    #[error("the issuer must be a URL such as https://clerk.example.com, https unless its host is this machine")]
    Issuer,
    /// The URL of the keys is not allowed.
    #[error("the keys' URL must be https, or http where its host is this machine")]
    KeysUrl,
    /// The PEM text holds no usable key.
    #[error("the key must be an RSA public key of at least 2048 bits in PEM, from BEGIN PUBLIC KEY to END PUBLIC KEY")]
    Pem,
}

/// A checker of Clerk's tokens.
#[derive(Debug)]
pub(super) struct Clerk {
    rules: Rules,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    One(Box<DecodingKey>),
    Fetched(FetchedKeys),
}

impl Clerk {
    pub(super) fn new(settings: ClerkSettings) -> Result<Self, InvalidClerk> {
        signatures::install();
        let ClerkSettings { issuer, keys, authorized_parties, party_may_be_missing } = settings;
        if !fetch::is_allowed(&issuer) || issuer.ends_with('/') {
            return Err(InvalidClerk::Issuer);
        }
        let keys = match keys {
            ClerkKeys::OfIssuer => Keys::Fetched(FetchedKeys::new(format!("{issuer}/.well-known/jwks.json"))),
            ClerkKeys::At(url) if fetch::is_allowed(&url) => Keys::Fetched(FetchedKeys::new(url)),
            ClerkKeys::At(_) => return Err(InvalidClerk::KeysUrl),
            ClerkKeys::Pem(text) => Keys::One(Box::new(signatures::from_pem(&text).ok_or(InvalidClerk::Pem)?)),
        };
        Ok(Self { rules: Rules::new(&issuer, authorized_parties, party_may_be_missing), keys })
    }

    pub(super) async fn check(&self, token: &str) -> Result<SignedIn, AuthError> {
        let header = token::header(token).map_err(AuthError::InvalidToken)?;
        match &self.keys {
            Keys::One(key) => self.rules.read(token, key).map_err(AuthError::InvalidToken),
            Keys::Fetched(keys) => {
                let id = header.kid.ok_or(AuthError::InvalidToken(InvalidToken("it does not name its key (kid)")))?;
                let key = keys.get(&id).await.map_err(|missing| match missing {
                    MissingKey::Unknown => AuthError::InvalidToken(InvalidToken("the issuer has no such key (kid)")),
                    MissingKey::Unavailable => AuthError::NoKeys,
                })?;
                self.rules.read(token, &key).map_err(AuthError::InvalidToken)
            }
        }
    }

    pub(super) async fn warm_up(&self) {
        if let Keys::Fetched(keys) = &self.keys {
            keys.warm_up().await;
        }
    }
}
