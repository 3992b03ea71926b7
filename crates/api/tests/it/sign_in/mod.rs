//! Signing in with Clerk's tokens, which the tests make themselves.

mod directory;
pub(crate) mod issuer;
mod keys;
mod matrix;
mod rate;
mod tokens;
