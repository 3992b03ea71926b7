//! Random bytes for sealing, which the domain draws none of.

use quire_domain::Nonce;

/// Draws a nonce to seal a connection string with.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random_nonce() -> Result<Nonce, getrandom::Error> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce).map(|()| nonce)
}
