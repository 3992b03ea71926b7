//! Users who are not active any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use quire_domain::UserId;
use quire_storage::{KnownUser, StoreError, UserDirectory};
use serde_json::json;

use super::issuer::{Issuer, header, with};
use crate::support::{Server, get};

/// A directory in memory; `None` is one that fails.
#[derive(Debug, Default)]
struct Users(Mutex<Option<HashMap<String, KnownUser>>>);

impl Users {
    fn of(users: &[(&str, bool)]) -> Arc<Self> {
        let known = |&(id, is_active): &(&str, bool)| (id.to_owned(), KnownUser { is_active, email: None });
        Arc::new(Self(Mutex::new(Some(users.iter().map(known).collect()))))
    }

    fn email(&self, user: &str) -> Option<String> {
        self.0.lock().unwrap().as_ref().unwrap()[user].email.clone()
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { reason: "it is away".to_owned(), source: None }
}

#[async_trait]
impl UserDirectory for Users {
    async fn find(&self, user: &UserId) -> Result<Option<KnownUser>, StoreError> {
        let users = self.0.lock().unwrap();
        users.as_ref().map(|users| users.get(user.as_str()).cloned()).ok_or_else(away)
    }

    async fn set_email(&self, user: &UserId, email: &str) -> Result<(), StoreError> {
        let mut users = self.0.lock().unwrap();
        let known = users.as_mut().and_then(|users| users.get_mut(user.as_str())).ok_or_else(away)?;
        known.email = Some(email.to_owned());
        Ok(())
    }
}

#[actix_web::test]
async fn they_get_403_on_every_route_and_in_development_mode_too() {
    let mut server = Server::start();
    let users = Users::of(&[("me", false), ("gone", false), ("here", true)]);
    server.settings.authenticator = server.settings.authenticator.clone().with_users(users.clone());
    for path in ["/api/notebooks", "/api/notebooks/blank", "/nowhere"] {
        server.get(path).await.problem(403, "inactive_user");
    }
    server.get("/health").await.ok();

    let issuer = Issuer::start();
    server.settings.authenticator = issuer.authenticator().with_users(users);
    for (user, status) in [("gone", 403), ("here", 200), ("new", 200)] {
        let token = format!("Bearer {}", issuer.token(user));
        let reply = server.send(get("/api/notebooks").insert_header(("Authorization", token))).await;
        assert_eq!(reply.status, status, "{user}");
    }
}

/// Recorded responses of a user who is deactivated are not replayed either.
#[actix_web::test]
async fn they_get_no_answer_again() {
    let mut server = Server::start();
    let authenticator = server.settings.authenticator.clone();
    let make = || {
        let request = actix_web::test::TestRequest::post().insert_header(("Idempotency-Key", "k"));
        crate::support::to(request, "/api/notebooks")
    };
    for (is_active, status) in [(true, 200), (true, 200), (false, 403), (true, 200)] {
        server.settings.authenticator = authenticator.clone().with_users(Users::of(&[("me", is_active)]));
        assert_eq!(server.send(make()).await.status, status);
    }
}

#[actix_web::test]
async fn the_address_that_a_token_holds_is_noted() {
    let issuer = Issuer::start();
    let users = Users::of(&[("here", true), ("gone", false)]);
    let authenticator = issuer.authenticator().with_users(users.clone());
    for user in ["here", "gone", "new"] {
        let claims = with(issuer.claims(user), json!({"email": format!("{user}@example.com")}));
        let answer = authenticator.authenticate(&issuer.signer.sign(&header(), &claims)).await;
        assert_eq!(answer.is_ok(), user != "gone");
    }
    assert_eq!(users.email("here").as_deref(), Some("here@example.com"));
    assert_eq!(users.email("gone"), None);
}

/// The lifetime of its last report is tested in `auth::user_status`.
#[actix_web::test]
async fn without_a_directory_nobody_of_whom_it_has_said_nothing_comes_in() {
    let users = Users::of(&[]);
    *users.0.lock().unwrap() = None;
    let mut server = Server::start();
    server.settings.authenticator = server.settings.authenticator.clone().with_users(users);
    for _ in 0..2 {
        let reply = server.get("/api/notebooks").await;
        reply.problem(503, "sign_in_unavailable");
        assert_eq!(reply.header("retry-after"), Some("5"));
    }
}
