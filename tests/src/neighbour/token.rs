//! Tokens as an issuer of sign-ins makes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

pub(crate) const PEM: &str = include_str!("../../../crates/api/tests/it/keys/issuer.pem");
const DER: &[u8] = include_bytes!("../../../crates/api/tests/it/keys/issuer.der");
pub(crate) const ISSUER: &str = "https://clerk.example.com";

/// Returns a token of this user that expires in 2049.
pub(crate) fn of(user: &str) -> String {
    let claims = json!({"iss": ISSUER, "sub": user, "azp": "http://localhost:3000", "exp": 2_500_000_000_u64});
    let parts = [json!({"alg": "RS256", "typ": "JWT", "kid": "any"}), claims];
    let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let key = RsaKeyPair::from_der(DER).expect("the key is one");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("it signs");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
