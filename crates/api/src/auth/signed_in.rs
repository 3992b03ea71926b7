//! The outcome of signing in.

use std::time::Instant;

use quire_domain::UserId;

/// A user who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The user's id.
    pub user: UserId,
    /// The user's e-mail address, if the token holds one.
    pub email: Option<String>,
    /// The end of the token on this machine's monotonic clock; none in development mode.
    pub expires_at: Option<Instant>,
}
