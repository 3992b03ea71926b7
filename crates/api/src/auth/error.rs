//! Reasons why signing in fails.

use std::fmt;

use quire_storage::StoreError;

use crate::problem::{Code, Problem, sentence};

/// A reason why a caller cannot sign in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The request has no token.
    #[error("sign in first: the request has no token")]
    Missing,
    /// The token is not valid. The reason is for the log; the client is told no more than that.
    #[error("sign in again: the token is not valid")]
    InvalidToken(#[source] InvalidToken),
    /// The user is deactivated.
    #[error("this user is not active any more")]
    Inactive,
    /// The token cannot be checked now, because the issuer's keys cannot be fetched.
    #[error("signing in is not available for the moment; try again")]
    NoKeys,
    /// The user's status cannot be read now.
    #[error("the status of this user cannot be read for the moment; try again")]
    NoDirectory(#[source] StoreError),
}

/// The fault of a token, in words that hold nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken(pub(crate) &'static str);

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidToken {}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let message = sentence(&error);
        match error {
            AuthError::Missing => Self::new(Code::NotSignedIn, message),
            AuthError::InvalidToken(fault) => Self::new(Code::BadToken, message).caused_by(fault),
            AuthError::Inactive => Self::new(Code::InactiveUser, message),
            AuthError::NoKeys => Self::new(Code::SignInUnavailable, message).after(10),
            AuthError::NoDirectory(store) => Self::new(Code::SignInUnavailable, message).after(5).caused_by(store),
        }
    }
}
