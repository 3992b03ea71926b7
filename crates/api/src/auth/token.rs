//! The rules that a token must keep, apart from its signature.

use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, get_current_timestamp};
use quire_domain::UserId;
use serde::Deserialize;
use serde_json::Value;

use super::error::InvalidToken;
use super::signed_in::SignedIn;

/// Maximum bytes of a token; Clerk's own have about a thousand.
const MAX_BYTES: usize = 8 * 1024;
/// Seconds by which the clocks of issuer and server may differ.
const LEEWAY_S: u64 = 5;
/// Maximum characters of an e-mail address (RFC 5321, 4.5.3.1: 64, an at sign, and 255).
const MAX_EMAIL_CHARS: usize = 320;
/// Maximum characters of a user's id, so that the ids of the user's own notebooks are possible ones.
const MAX_USER_ID_CHARS: usize = 128;
/// Maximum time for which a token is accepted.
const MAX_LIFETIME: Duration = Duration::from_hours(24 * 365);

/// The claims that tokens must have.
#[derive(Debug)]
pub(super) struct Rules {
    validation: Validation,
    parties: Vec<String>,
    party_may_be_missing: bool,
}

/// The claims that are read. The library has checked `exp`, `nbf` and `aud` by its own reading.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// A text: the library would take a list that holds the issuer.
    #[serde(rename = "iss")]
    _issuer: String,
    exp: f64,
    azp: Option<String>,
    email: Option<Value>,
}

impl Rules {
    /// Makes rules for tokens of this issuer, made for pages of these origins.
    pub(super) fn new(issuer: &str, parties: Vec<String>, party_may_be_missing: bool) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // This server has no audience's name: a token that names an audience is for another server (RFC 7519, section 4.1.3).
        validation.validate_aud = true;
        Self { validation, parties, party_may_be_missing }
    }

    /// Reads a token with the key that its header asked for.
    pub(super) fn read(&self, token: &str, key: &DecodingKey) -> Result<SignedIn, InvalidToken> {
        let Claims { sub, exp, azp, email, .. } =
            decode::<Claims>(token, key, &self.validation).map_err(|error| why(&error))?.claims;
        match azp {
            Some(azp) if self.parties.contains(&azp) => {}
            Some(_) => return Err(InvalidToken("it was made for another origin (azp)")),
            None if self.party_may_be_missing => {}
            None => return Err(InvalidToken("it does not say for which origin it was made (azp)")),
        }
        let user = user(&sub).ok_or(InvalidToken("its sub is no user's id"))?;
        // An invalid address is dropped.
        let email = email.as_ref().and_then(Value::as_str).filter(|email| is_email(email)).map(str::to_owned);
        Ok(SignedIn { user, email, expires_at: Some(ends(exp)) })
    }
}

/// Reads the header of a token, whose signature is not checked yet.
pub(super) fn header(token: &str) -> Result<Header, InvalidToken> {
    if token.len() > MAX_BYTES {
        return Err(InvalidToken("it has more than 8 KB"));
    }
    let header = decode_header(token).map_err(|_error| InvalidToken("it is no token, or of an unknown algorithm"))?;
    if header.alg != Algorithm::RS256 {
        return Err(InvalidToken("its algorithm is not RS256"));
    }
    // The keys are the issuer's; a token does not bring its own, or say where to find them.
    if header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some() {
        return Err(InvalidToken("it names a key of its own"));
    }
    // No extension is understood here (RFC 7515, 4.1.11).
    if header.crit.is_some() {
        return Err(InvalidToken("it asks for an extension (crit)"));
    }
    if header.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(InvalidToken("its type is not JWT"));
    }
    Ok(header)
}

fn user(sub: &str) -> Option<UserId> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_|.-".contains(&byte);
    let fits = (1..=MAX_USER_ID_CHARS).contains(&sub.len()) && sub.bytes().all(fits);
    if fits { UserId::new(sub).ok() } else { None }
}

fn is_email(text: &str) -> bool {
    text.contains('@') && !text.contains(char::is_control) && text.chars().count() <= MAX_EMAIL_CHARS
}

/// Converts `exp`, in seconds since 1970, to this machine's monotonic clock.
fn ends(exp: f64) -> Instant {
    // Times of this century are exact in an f64.
    let now = Duration::from_secs(get_current_timestamp());
    let left = Duration::try_from_secs_f64(exp).unwrap_or(now).saturating_sub(now);
    Instant::now() + left.min(MAX_LIFETIME)
}

fn why(error: &jsonwebtoken::errors::Error) -> InvalidToken {
    use jsonwebtoken::errors::ErrorKind;
    InvalidToken(match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired (exp)",
        ErrorKind::ImmatureSignature => "it is not valid yet (nbf)",
        ErrorKind::InvalidIssuer => "it is another issuer's (iss)",
        ErrorKind::InvalidAudience => "it is for another audience (aud)",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "it has no exp, iss or sub",
        _ => "it cannot be read",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_notebooks_can_be_named_after_are_users() {
        let most = "x".repeat(128);
        for good in ["user_2abC", "google-oauth2|1.5", "x", &most] {
            assert_eq!(user(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "é", "a\0", "a\n", "a%", "../x:", &"x".repeat(129)] {
            assert!(user(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn any_end_is_an_instant() {
        for exp in [-1.0, 0.0, 1e300, f64::INFINITY, f64::NAN] {
            assert!(ends(exp) <= Instant::now() + MAX_LIFETIME);
        }
        let left = ends(f64::from(u32::try_from(get_current_timestamp()).unwrap() + 60)) - Instant::now();
        assert!(left > Duration::from_secs(55) && left <= Duration::from_mins(1), "{left:?}");
    }
}
