//! The rate limit on a user's requests.

use std::num::NonZeroU32;

use quire_api::RequestLimit;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::issuer::Issuer;
use crate::support::{Server, get, send};
use crate::ws_client::Listening;

fn limited(issuer: &Issuer) -> Server {
    let mut server = Server::start();
    server.settings.authenticator = issuer.authenticator();
    let [per_second, burst] = [1, 5].map(|number| NonZeroU32::new(number).unwrap());
    server.settings.request_limit = Some(RequestLimit { per_second, burst });
    server
}

#[actix_web::test]
async fn too_many_requests_of_a_user_are_429_and_others_go_on() {
    let issuer = Issuer::start();
    let server = limited(&issuer);
    let api = server.api();
    let ask = async |user: &str, path: &str| {
        let request = get(path).insert_header(("Authorization", format!("Bearer {}", issuer.token(user))));
        send(&api, request).await
    };
    let mut replies = Vec::new();
    for _ in 0..20 {
        replies.push(ask("ann", "/nowhere").await);
    }
    let (answered, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 404);
    assert!((5..20).contains(&answered.len()), "{}", answered.len());
    for reply in refused {
        reply.problem(429, "too_many_requests");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    ask("bob", "/nowhere").await.problem(404, "unknown_route");
    for _ in 0..20 {
        send(&api, get("/health")).await.ok();
    }
}

#[actix_web::test]
async fn signing_in_on_a_socket_is_a_request_too() {
    let issuer = Issuer::start();
    let listening = Listening::of(limited(&issuer));
    let authenticate = json!({"type": "authenticate", "token": issuer.token("ann")});
    let mut first = listening.connect("/api/notebooks/blank").await;
    first.say(&authenticate).await;
    assert_eq!(first.hear().await["type"], "authenticated");
    let mut refused = 0;
    for _ in 0..20 {
        let mut client = listening.connect("/api/notebooks/blank").await;
        client.say(&authenticate).await;
        let heard = client.hear().await;
        if heard["type"] == "error" {
            assert_eq!(heard["message"], "The user makes too many requests; try again in a moment.");
            let Message::Close(Some(reason)) = client.next().await else { panic!("it is still open") };
            assert_eq!(u16::from(reason.code), 1013);
            refused += 1;
        }
    }
    assert!((1..=16).contains(&refused), "{refused}");
    // A socket that is there already stays as it was.
    let mut refused = 0;
    for _ in 0..20 {
        first.say(&json!({"type": "refresh_auth", "token": issuer.token("ann")})).await;
        refused += usize::from(first.hear().await["type"] == "error");
    }
    assert!(refused > 0);
    first.is_served().await;
    listening.stop().await;
}
