//! Tokens that are accepted, and tokens that are refused.

use std::time::{Duration, Instant};

use quire_api::{AuthError, Authenticator, ClerkKeys, ClerkSettings, InvalidClerk, SignedIn};
use serde_json::{Value, json};

use super::issuer::{Issuer, ORIGIN, PEM, Signer, header, seconds, with};

/// Returns the fault of a token that is refused.
pub(super) async fn refusal(authenticator: &Authenticator, token: &str) -> String {
    match authenticator.authenticate(token).await {
        Err(AuthError::InvalidToken(fault)) => fault.to_string(),
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn a_good_token_says_who_it_is_and_how_long() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    let SignedIn { user, email, expires_at } = authenticator.authenticate(&issuer.token("user_1")).await.unwrap();
    assert_eq!((user.as_str(), email), ("user_1", None));
    let left = expires_at.unwrap() - Instant::now();
    assert!(left > Duration::from_secs(50) && left <= Duration::from_mins(1), "{left:?}");
    assert!(!authenticator.is_development());
    assert!(matches!(authenticator.authenticate("").await, Err(AuthError::Missing)));
}

#[actix_web::test]
async fn claims_are_checked_one_by_one() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    let good = [
        json!({"exp": seconds(-3)}),
        json!({"nbf": seconds(3)}),
        json!({"nbf": null}),
        json!({"iat": seconds(600)}),
        json!({"exp": seconds(60 * 60 * 24 * 365 * 100)}),
        json!({"sub": "google-oauth2|1.5_x-Y"}),
        json!({"email": 7, "more": {"a": [1]}}),
    ];
    for claims in good {
        let token = issuer.signer.sign(&header(), &with(issuer.claims("u"), claims.clone()));
        assert!(authenticator.authenticate(&token).await.is_ok(), "{claims}");
    }
    let long = "x".repeat(129);
    let bad = [
        (json!({"exp": seconds(-10)}), "it has expired (exp)"),
        (json!({"exp": null}), "it cannot be read"),
        (json!({"exp": "soon"}), "it cannot be read"),
        (json!({"nbf": seconds(10)}), "it is not valid yet (nbf)"),
        (json!({"nbf": "now"}), "it cannot be read"),
        (json!({"iss": null}), "it cannot be read"),
        (json!({"iss": "https://clerk.evil.example"}), "it is another issuer's (iss)"),
        (json!({"iss": format!("{}/", issuer.url)}), "it is another issuer's (iss)"),
        (json!({"iss": [issuer.url]}), "it cannot be read"),
        (json!({"azp": "http://localhost:3001"}), "it was made for another origin (azp)"),
        (json!({"azp": ""}), "it was made for another origin (azp)"),
        (json!({"azp": null}), "it does not say for which origin it was made (azp)"),
        (json!({"azp": [ORIGIN]}), "it cannot be read"),
        (json!({"aud": "somebody-else"}), "it is for another audience (aud)"),
        (json!({"sub": null}), "it cannot be read"),
        (json!({"sub": 7}), "it cannot be read"),
        (json!({"sub": ""}), "its sub is no user's id"),
        (json!({"sub": "a b"}), "its sub is no user's id"),
        (json!({"sub": "a\u{0}"}), "its sub is no user's id"),
        (json!({"sub": "../user_1"}), "its sub is no user's id"),
        (json!({"sub": "usér"}), "its sub is no user's id"),
        (json!({"sub": long}), "its sub is no user's id"),
    ];
    for (claims, why) in bad {
        let token = issuer.signer.sign(&header(), &with(issuer.claims("u"), claims.clone()));
        assert_eq!(refusal(&authenticator, &token).await, why, "{claims}");
    }
}

#[actix_web::test]
async fn headers_are_checked_one_by_one() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    for good in [json!({"typ": null}), json!({"typ": "jwt"}), json!({"x": {"y": 1}})] {
        let token = issuer.signer.sign(&with(header(), good.clone()), &issuer.claims("u"));
        assert!(authenticator.authenticate(&token).await.is_ok(), "{good}");
    }
    let strange = Signer::stranger().jwk("mine");
    let bad: [(Value, &str); 13] = [
        (json!({"alg": "RS384"}), "its algorithm is not RS256"),
        (json!({"alg": "PS256"}), "its algorithm is not RS256"),
        (json!({"alg": "HS256"}), "its algorithm is not RS256"),
        (json!({"alg": "none"}), "it is no token, or of an unknown algorithm"),
        (json!({"alg": null}), "it is no token, or of an unknown algorithm"),
        (json!({"jku": format!("{}/.well-known/jwks.json", issuer.url)}), "it names a key of its own"),
        (json!({"x5u": issuer.url}), "it names a key of its own"),
        (json!({"x5c": ["AA=="]}), "it names a key of its own"),
        (json!({"jwk": strange}), "it names a key of its own"),
        (json!({"crit": ["exp"]}), "it asks for an extension (crit)"),
        (json!({"crit": []}), "it asks for an extension (crit)"),
        (json!({"typ": "at+jwt"}), "its type is not JWT"),
        (json!({"kid": null}), "it does not name its key (kid)"),
    ];
    for (other, why) in bad {
        let token = issuer.signer.sign(&with(header(), other.clone()), &issuer.claims("u"));
        assert_eq!(refusal(&authenticator, &token).await, why, "{other}");
    }
}

#[actix_web::test]
async fn what_is_no_token_or_was_changed_is_refused() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    let good = issuer.token("user_1");
    let stranger = Signer::stranger().sign(&header(), &issuer.claims("user_1"));
    assert_eq!(refusal(&authenticator, &stranger).await, "its signature is wrong");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let other = issuer.token("user_2");
    let claims = other.split('.').nth(1).unwrap();
    let long = format!("{good}{}", "A".repeat(9_000));
    let changed = [
        "x",
        "..",
        "a.b.c",
        message,
        &format!("{message}."),
        &format!("{head}.{claims}.{signature}"),
        &format!("{good}.x"),
        &format!("{good}="),
        &format!(" {good}"),
        &format!("Bearer {good}"),
        &good.replace('.', "\u{0}"),
        &long,
    ];
    for token in changed {
        refusal(&authenticator, token).await;
    }
    assert!(authenticator.authenticate(&good).await.is_ok());
    // About as long as a token may be: whole groups of characters, three bytes of claims in four.
    let filled =
        |filler: usize| issuer.signer.sign(&header(), &with(issuer.claims("u"), json!({"filler": "x".repeat(filler)})));
    let most = (8_192 - filled(0).len()) / 4 * 3;
    let (fits, exceeds) = (filled(most), filled(most + 6));
    assert!((8_186..=8_192).contains(&fits.len()) && (8_193..8_201).contains(&exceeds.len()));
    assert!(authenticator.authenticate(&fits).await.is_ok());
    assert_eq!(refusal(&authenticator, &exceeds).await, "it has more than 8 KB");
}

#[actix_web::test]
async fn the_address_is_taken_when_it_is_one() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    let long = format!("{}@example.com", "x".repeat(320));
    for (email, taken) in [
        (json!("ann@example.com"), Some("ann@example.com")),
        (json!("änn@example.com"), Some("änn@example.com")),
        (json!(""), None),
        (json!("ann"), None),
        (json!("ann@example.com\n"), None),
        (json!("ann@\u{0}"), None),
        (json!(long), None),
        (json!(["ann@example.com"]), None),
    ] {
        let token = issuer.signer.sign(&header(), &with(issuer.claims("u"), json!({"email": email.clone()})));
        assert_eq!(authenticator.authenticate(&token).await.unwrap().email.as_deref(), taken, "{email}");
    }
}

#[actix_web::test]
async fn a_missing_azp_will_do_where_it_is_configured_and_a_wrong_one_never() {
    let issuer = Issuer::start();
    let settings = ClerkSettings { party_may_be_missing: true, ..issuer.settings() };
    let authenticator = Authenticator::clerk(settings).unwrap();
    let token = |azp: Value| issuer.signer.sign(&header(), &with(issuer.claims("u"), json!({"azp": azp})));
    assert!(authenticator.authenticate(&token(Value::Null)).await.is_ok());
    refusal(&authenticator, &token(json!("http://localhost:3001"))).await;
}

#[actix_web::test]
async fn a_key_in_pem_needs_no_network_and_no_key_id() {
    let issuer = Issuer::start();
    issuer.fall_silent();
    let one_line = PEM.replace('\n', "\\n");
    for pem in [PEM, &one_line] {
        let settings = ClerkSettings { keys: ClerkKeys::Pem(pem.to_owned()), ..issuer.settings() };
        let authenticator = Authenticator::clerk(settings).unwrap();
        authenticator.warm_up().await;
        for other in [json!({}), json!({"kid": null}), json!({"kid": "whatever"})] {
            let token = issuer.signer.sign(&with(header(), other), &issuer.claims("user_1"));
            assert_eq!(authenticator.authenticate(&token).await.unwrap().user.as_str(), "user_1");
        }
        let stranger = Signer::stranger().sign(&header(), &issuer.claims("user_1"));
        assert_eq!(refusal(&authenticator, &stranger).await, "its signature is wrong");
    }
    assert_eq!(issuer.asked(), 0);
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    let settings = |issuer: &str, keys: ClerkKeys| ClerkSettings {
        issuer: issuer.to_owned(),
        keys,
        authorized_parties: vec![ORIGIN.to_owned()],
        party_may_be_missing: false,
    };
    let refused = |settings| Authenticator::clerk(settings).unwrap_err();
    for issuer in ["", "clerk.example", "http://clerk.example", "https://clerk.example/", "https://u@clerk.example"] {
        assert_eq!(refused(settings(issuer, ClerkKeys::OfIssuer)), InvalidClerk::Issuer, "{issuer}");
    }
    let issuer = "https://clerk.example";
    for url in ["", "http://clerk.example/keys", "file:///etc/passwd"] {
        assert_eq!(refused(settings(issuer, ClerkKeys::At(url.to_owned()))), InvalidClerk::KeysUrl, "{url}");
    }
    // A certificate, a key of another kind, a broken one.
    let elliptic = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let certificate = PEM.replace("PUBLIC KEY", "CERTIFICATE");
    let broken = PEM.replacen("MIIB", "MIIC", 1);
    for pem in ["", "key", elliptic, &certificate, &broken] {
        assert_eq!(refused(settings(issuer, ClerkKeys::Pem(pem.to_owned()))), InvalidClerk::Pem, "{pem}");
    }
    assert!(Authenticator::clerk(settings(issuer, ClerkKeys::Pem(PEM.to_owned()))).is_ok());
}
