//! Fetching the issuer's keys over TLS, with a time limit and a size limit.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::http::Uri;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;

/// Time limit of a fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum bytes of a key set; Clerk's has about a thousand.
const MAX_BYTES: u64 = 256 * 1024;
/// Maximum keys of a key set.
const MAX_KEYS: usize = 64;

/// The keys by their ids.
pub(super) type KeySet = HashMap<String, Arc<DecodingKey>>;

/// A reason why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("cannot fetch the issuer's keys")]
    Http(#[from] ureq::Error),
    #[error("the issuer's keys are not a JSON Web Key Set")]
    Unreadable(#[from] serde_json::Error),
    #[error("the issuer has no key for RS256")]
    None,
}

/// Returns whether keys may be fetched from this URL: over TLS, or from this machine.
pub(super) fn is_allowed(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return false };
    let plain = uri.query().is_none() && !url.contains(['#', '@']);
    plain && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(host)))
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Fetches the keys. Blocks the thread.
pub(super) fn fetch(url: &str) -> Result<KeySet, FetchError> {
    let mut response = agent().get(url).call()?;
    let bytes = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec()?;
    let keys = parse(&bytes)?;
    if keys.is_empty() { Err(FetchError::None) } else { Ok(keys) }
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let config =
            Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0).max_redirects_will_error(true);
        config.user_agent(concat!("quire/", env!("CARGO_PKG_VERSION"))).build().new_agent()
    })
}

/// Reads the keys for RS256, and skips those of other kinds or without an id (RFC 7517, section 5).
fn parse(bytes: &[u8]) -> Result<KeySet, serde_json::Error> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Key {
        kid: String,
        kty: String,
        r#use: Option<String>,
        alg: Option<String>,
        n: String,
        e: String,
    }
    let Set { keys } = serde_json::from_slice(bytes)?;
    let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<Key>(key).ok());
    let usable = keys.filter(|key| {
        let signs = key.r#use.as_deref().is_none_or(|purpose| purpose == "sig");
        key.kty == "RSA" && signs && key.alg.as_deref().is_none_or(|alg| alg == "RS256")
    });
    let made = usable.filter_map(|key| {
        let made = DecodingKey::from_rsa_components(&key.n, &key.e).ok()?;
        Some((key.kid, Arc::new(made)))
    });
    Ok(made.take(MAX_KEYS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for good in
            ["https://clerk.example/.well-known/jwks.json", "http://127.0.0.1:1/x", "http://[::1]/", "http://localhost"]
        {
            assert!(is_allowed(good), "{good}");
        }
        let bad = "|http://clerk.example/|ftp://127.0.0.1/|clerk.example|/x|https://|https://u@h/|https://h/?x|https://h/#x\
            |http://localhost.evil.example/|http://127.0.0.1@evil.example/|file:///etc/passwd|http://127.0.0.2/";
        for bad in bad.split('|') {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let set = r#"{"keys": [
            {"kid": "a", "kty": "RSA", "n": "AQ", "e": "AQAB"},
            {"kid": "b", "kty": "RSA", "use": "sig", "alg": "RS256", "n": "AQ", "e": "AQAB", "x": [1]},
            {"kid": "enc", "kty": "RSA", "use": "enc", "n": "AQ", "e": "AQAB"},
            {"kid": "ps", "kty": "RSA", "alg": "PS256", "n": "AQ", "e": "AQAB"},
            {"kid": "oct", "kty": "oct", "k": "AQ"},
            {"kid": "bad", "kty": "RSA", "n": "!", "e": "AQAB"},
            {"kty": "RSA", "n": "AQ", "e": "AQAB"}, 7, null
        ]}"#;
        let mut ids: Vec<_> = parse(set.as_bytes()).unwrap().into_keys().collect();
        ids.sort_unstable();
        assert_eq!(ids, ["a", "b"]);
        for bad in ["", "{}", "[]", r#"{"keys": 1}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
