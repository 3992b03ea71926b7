//! Fetches of the issuer's keys. Their lifetime in the cache is tested in `auth::keys`.

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use quire_api::AuthError;
use serde_json::json;

use super::issuer::{Issuer, Signer, header, with};
use super::tokens::refusal;

#[actix_web::test]
async fn they_are_fetched_once_for_many_who_sign_in_at_once() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    let tokens: Vec<_> = (0..50).map(|n| issuer.token(&format!("user_{n}"))).collect();
    let answers = join_all(tokens.iter().map(|token| authenticator.authenticate(token))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(issuer.asked(), 1);
    let clone = authenticator.clone();
    assert!(clone.authenticate(&tokens[0]).await.is_ok());
    assert_eq!(issuer.asked(), 1, "a clone has the same keys");
}

#[actix_web::test]
async fn they_are_fetched_once_even_when_whoever_asked_first_goes_away() {
    let issuer = Issuer::start();
    let (authenticator, token) = (issuer.authenticator(), issuer.token("user_1"));
    assert!(authenticator.authenticate(&token).now_or_never().is_none());
    assert!(authenticator.authenticate(&token).await.is_ok());
    assert_eq!(issuer.asked(), 1);
}

#[actix_web::test]
async fn a_new_key_is_found_and_made_up_ones_are_not_looked_for_again_and_again() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    authenticator.warm_up().await;
    assert_eq!(issuer.asked(), 1);
    let stranger = Signer::stranger();
    let renewed = |id: &str| stranger.sign(&with(header(), json!({"kid": id})), &issuer.claims("user_1"));
    issuer.publish(&[issuer.signer.jwk("key-1"), stranger.jwk("key-2")]);
    assert!(authenticator.authenticate(&renewed("key-2")).await.is_ok());
    assert_eq!(issuer.asked(), 2);
    for n in 0..20 {
        assert_eq!(refusal(&authenticator, &renewed(&n.to_string())).await, "the issuer has no such key (kid)");
    }
    assert_eq!(issuer.asked(), 2);
    assert!(authenticator.authenticate(&issuer.token("user_1")).await.is_ok());
}

#[actix_web::test]
async fn without_keys_nobody_can_sign_in_and_the_issuer_is_left_alone_for_a_while() {
    let issuer = Issuer::start();
    for (status, body) in [
        ("500 Internal Server Error", "{}"),
        ("302 Found", ""),
        ("200 OK", "<html>"),
        ("200 OK", r#"{"keys": []}"#),
        ("200 OK", &format!(r#"{{"keys": [], "filler": "{}"}}"#, "x".repeat(300 * 1024))),
    ] {
        issuer.answer(status, body);
        let (authenticator, before) = (issuer.authenticator(), issuer.asked());
        for _ in 0..3 {
            let answer = authenticator.authenticate(&issuer.token("user_1")).await;
            assert!(matches!(answer, Err(AuthError::NoKeys)), "{status}: {answer:?}");
        }
        assert_eq!(issuer.asked(), before + 1, "{status}");
    }
    issuer.fall_silent();
    let answer = issuer.authenticator().authenticate(&issuer.token("user_1")).await;
    assert!(matches!(answer, Err(AuthError::NoKeys)), "{answer:?}");
}

#[actix_web::test]
async fn keys_that_are_there_serve_while_the_issuer_is_away() {
    let issuer = Issuer::start();
    let authenticator = issuer.authenticator();
    authenticator.warm_up().await;
    issuer.fall_silent();
    // Whether the issuer has this one cannot be said meanwhile.
    let unknown = issuer.signer.sign(&with(header(), json!({"kid": "other"})), &issuer.claims("user_1"));
    for _ in 0..3 {
        let answer = authenticator.authenticate(&unknown).await;
        assert!(matches!(answer, Err(AuthError::NoKeys)), "{answer:?}");
    }
    assert_eq!(issuer.asked(), 2);
    assert!(authenticator.authenticate(&issuer.token("user_1")).await.is_ok());
}
