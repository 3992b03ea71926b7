//! Signing in: from the token that a client shows to the user to whom it was issued. HTTP and WebSocket ask the same
//! [`Authenticator`].

mod authenticator;
mod clerk;
mod error;
mod fetch;
mod keys;
mod signatures;
mod signed_in;
mod token;
mod user_status;
mod user_status_cache;

pub use authenticator::Authenticator;
pub use clerk::{ClerkKeys, ClerkSettings, InvalidClerk};
pub use error::{AuthError, InvalidToken};
pub use signed_in::SignedIn;
