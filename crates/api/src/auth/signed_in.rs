//! The outcome of signing in.

use std::time::Instant;

use quire_domain::UserId;

/// Whoever has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who it is.
    pub user: UserId,
    /// Their e-mail address, if the token holds one.
    pub email: Option<String>,
    /// When the token ends, and with it what it allows, on this machine's monotonic clock; in development mode it never
    /// does.
    pub expires_at: Option<Instant>,
}
