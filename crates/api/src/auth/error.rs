//! Reasons why signing in fails.

use std::fmt;

use quire_storage::StoreError;

use crate::problem::{Code, Problem, sentence};

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There is no token.
    #[error("sign in first: the request has no token")]
    Missing,
    /// The token is not valid. The reason is for the log; the client is told no more than that.
    #[error("sign in again: the token is not valid")]
    Refused(#[source] Refusal),
    /// The user may not use the server any more.
    #[error("this user is not active any more")]
    Inactive,
    /// Whether the token is valid cannot be said now, since the issuer's keys cannot be had.
    #[error("nobody can sign in for the moment; try again")]
    NoKeys,
    /// Whether the user is active cannot be said now.
    #[error("whether this user is active cannot be said for the moment; try again")]
    NoDirectory(#[source] StoreError),
}

/// What is wrong with a token: never anything out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub(crate) &'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refusal {}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let message = sentence(&error);
        match error {
            AuthError::Missing => Self::new(Code::NotSignedIn, message),
            AuthError::Refused(refusal) => Self::new(Code::BadToken, message).caused_by(refusal),
            AuthError::Inactive => Self::new(Code::InactiveUser, message),
            AuthError::NoKeys => Self::new(Code::SignInUnavailable, message).after(10),
            AuthError::NoDirectory(store) => Self::new(Code::SignInUnavailable, message).after(5).caused_by(store),
        }
    }
}
