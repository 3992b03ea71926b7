//! Clerk's session tokens: settings, and the way of a token through the checks.

use jsonwebtoken::DecodingKey;

use super::error::{AuthError, Refusal};
use super::keys::{FetchedKeys, Missing};
use super::signed_in::SignedIn;
use super::token::{self, Rules};
use super::{fetch, signatures};

/// Whose tokens are taken, and for whom they must have been made.
#[derive(Clone, Debug)]
pub struct ClerkSettings {
    /// What tokens must hold as `iss`: the address of Clerk's Frontend API, without a slash at the end.
    pub issuer: String,
    /// Where the issuer's keys are.
    pub keys: ClerkKeys,
    /// What tokens may hold as `azp`: the origins whose pages may use the server.
    pub authorized_parties: Vec<String>,
    /// Whether a token without `azp` will do.
    pub party_may_be_missing: bool,
}

/// Where the issuer's keys are.
#[derive(Clone, Debug)]
pub enum ClerkKeys {
    /// Behind the issuer's address, at `/.well-known/jwks.json`.
    OfIssuer,
    /// At this URL, as a JSON Web Key Set (RFC 7517).
    At(String),
    /// Here, one RSA key in PEM: the network is not used.
    Pem(String),
}

/// Why Clerk's settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClerk {
    /// The issuer is none.
    #[error("the issuer must be a URL such as https://clerk.example.com, https unless its host is this machine")]
    Issuer,
    /// The URL of the keys is none.
    #[error("the keys' URL must be https, or http where its host is this machine")]
    KeysUrl,
    /// The PEM holds no usable key.
    #[error("the key must be an RSA public key of at least 2048 bits in PEM, from BEGIN PUBLIC KEY to END PUBLIC KEY")]
    Pem,
}

/// Checks tokens.
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
        let header = token::header(token).map_err(AuthError::Refused)?;
        match &self.keys {
            Keys::One(key) => self.rules.read(token, key).map_err(AuthError::Refused),
            Keys::Fetched(keys) => {
                let id = header.kid.ok_or(AuthError::Refused(Refusal("it does not name its key (kid)")))?;
                let key = keys.get(&id).await.map_err(|missing| match missing {
                    Missing::Unknown => AuthError::Refused(Refusal("the issuer has no such key (kid)")),
                    Missing::Unavailable => AuthError::NoKeys,
                })?;
                self.rules.read(token, &key).map_err(AuthError::Refused)
            }
        }
    }

    pub(super) async fn warm_up(&self) {
        if let Keys::Fetched(keys) = &self.keys {
            keys.warm_up().await;
        }
    }
}
