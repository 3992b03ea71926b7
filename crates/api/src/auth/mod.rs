//! Signing in: from the token that a client shows to the user to whom it was issued. HTTP and WebSocket ask the same
//! [`Authenticator`].

mod authenticator;
mod clerk;
mod fetch;
mod keys;
mod signatures;
mod token;
mod user_status_cache;

pub use authenticator::{AuthError, Authenticator, Refusal, SignedIn};
pub use clerk::{ClerkKeys, ClerkSettings, InvalidClerk};
