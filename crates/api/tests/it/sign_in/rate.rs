//! How many requests a user may make.

use std::num::NonZeroU32;

use quire_api::RequestLimit;

use super::issuer::Issuer;
use crate::support::{Server, get, send};

#[actix_web::test]
async fn too_many_requests_of_a_user_are_429_and_others_go_on() {
    let issuer = Issuer::start();
    let mut server = Server::start();
    server.settings.authenticator = issuer.authenticator();
    let [per_second, burst] = [1, 5].map(|number| NonZeroU32::new(number).unwrap());
    server.settings.request_limit = Some(RequestLimit { per_second, burst });
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
