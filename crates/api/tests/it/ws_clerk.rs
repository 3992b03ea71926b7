//! Sockets that sign in with Clerk's tokens: how long they live.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use quire_api::SocketSettings;
use quire_domain::{CellId, CellType, Edit, NotebookId, Place, UserId};
use quire_storage::{KnownUser, StoreError, UserDirectory};
use serde_json::json;
use tokio::sync::{Notify, RwLock};

use crate::sign_in::issuer::{Issuer, header, seconds, with};
use crate::support::{Server, get, send};
use crate::ws_client::{Client, Listening};

fn server(issuer: &Issuer, change: impl FnOnce(&mut SocketSettings)) -> Server {
    let mut server = Server::start();
    server.settings.authenticator = issuer.authenticator();
    server.settings.sockets.expiry_grace = Duration::from_millis(100);
    change(&mut server.settings.sockets);
    server
}

/// A token of `me` that ends in so many seconds.
fn token(issuer: &Issuer, lives: i64) -> String {
    issuer.signer.sign(&header(), &with(issuer.claims("me"), json!({"exp": seconds(lives)})))
}

/// Seconds that a token lives which is to end within the test; signing in with it takes less.
const ENDS_SOON: i64 = 5;

async fn watch(listening: &Listening, token: &str) -> Client {
    let mut client = listening.connect("/api/notebooks/blank").await;
    client.say(&json!({"type": "authenticate", "token": token})).await;
    assert_eq!(client.hear().await, json!({"type": "authenticated", "user_id": "me"}));
    client.is_served().await;
    client
}

/// "Missing or bad token: `error` and close 1008."
#[actix_web::test]
async fn a_bad_token_is_refused() {
    let issuer = Issuer::start();
    let listening = Listening::of(server(&issuer, |_| {}));
    for token in [String::new(), "x".to_owned(), token(&issuer, -10), "x".repeat(9_000)] {
        let mut client = listening.connect("/api/notebooks/blank").await;
        client.say(&json!({"type": "authenticate", "token": token})).await;
        let (code, error) = client.end().await;
        assert_eq!(code, 1008);
        let error = error.unwrap();
        assert!(error.starts_with("Sign in"), "{error}");
    }
    listening.stop().await;
}

/// "Quire closes a socket that has ever refreshed 5 s after its last token's expiry (4401)."
#[actix_web::test]
async fn a_socket_that_has_refreshed_ends_with_its_last_token() {
    let issuer = Issuer::start();
    let listening = Listening::of(server(&issuer, |_| {}));
    let mut client = watch(&listening, &token(&issuer, 60)).await;
    client.say(&json!({"type": "refresh_auth", "token": token(&issuer, ENDS_SOON)})).await;
    assert_eq!(client.hear().await, json!({"type": "auth_refreshed"}));
    client.is_served().await;
    assert_eq!(client.end().await, (4401, None));
    listening.stop().await;
}

/// "…and lets one that never refreshed live `--ws-unrefreshed-max` (default 1 h; 0 is strict)."
#[actix_web::test]
async fn a_socket_that_never_refreshed_lives_on() {
    let issuer = Issuer::start();
    let listening = Listening::of(server(&issuer, |_| {}));
    let strict = Listening::of(server(&issuer, |sockets| sockets.unrefreshed_max = Duration::ZERO));
    let (mut client, mut strictly) =
        (watch(&listening, &token(&issuer, ENDS_SOON)).await, watch(&strict, &token(&issuer, ENDS_SOON)).await);
    assert_eq!(strictly.end().await, (4401, None));
    client.is_served().await;
    listening.stop().await;
    strict.stop().await;
}

/// "…after the user's last signed-in HTTP request."
#[actix_web::test]
async fn a_signed_in_request_of_the_same_user_prolongs_a_socket() {
    const MAX: Duration = Duration::from_secs(ENDS_SOON.unsigned_abs());
    let issuer = Issuer::start();
    let listening = Listening::of(server(&issuer, |sockets| sockets.unrefreshed_max = MAX));
    let mut client = watch(&listening, &token(&issuer, 1)).await;
    // Some of that time passes: a socket ends whose last token does.
    let mut other = watch(&listening, &token(&issuer, 1)).await;
    other.say(&json!({"type": "refresh_auth", "token": token(&issuer, 1)})).await;
    assert_eq!(other.hear().await, json!({"type": "auth_refreshed"}));
    assert_eq!(other.end().await, (4401, None));
    let requested = Instant::now();
    let bearer = format!("Bearer {}", token(&issuer, 60));
    send(&listening.api, get("/api/notebooks").insert_header(("Authorization", bearer))).await.ok();
    assert_eq!(client.end().await, (4401, None));
    assert!(requested.elapsed() >= MAX, "it ended {:?} after the request", requested.elapsed());
    listening.stop().await;
}

/// "Another user's token: `error`, the socket stays", and a bad one's as well.
#[actix_web::test]
async fn another_users_or_a_bad_token_renews_nothing() {
    let issuer = Issuer::start();
    let listening = Listening::of(server(&issuer, |_| {}));
    let mut client = watch(&listening, &token(&issuer, 60)).await;
    for token in [issuer.token("other"), token(&issuer, -10), "x".to_owned(), String::new()] {
        client.say(&json!({"type": "refresh_auth", "token": token})).await;
        assert_eq!(client.hear().await["type"], "error");
    }
    client.is_served().await;
    listening.stop().await;
}

#[derive(Debug, Default)]
struct Directory {
    inactive: AtomicBool,
    /// Holds up all answers, while this is locked.
    gate: RwLock<()>,
    asked: Notify,
    asking: AtomicUsize,
}

/// Somebody who waits for an answer.
struct Asking<'a>(&'a AtomicUsize);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl UserDirectory for Directory {
    async fn find(&self, _: &UserId) -> Result<Option<KnownUser>, StoreError> {
        self.asking.fetch_add(1, Ordering::SeqCst);
        let _asking = Asking(&self.asking);
        self.asked.notify_one();
        let _open = self.gate.read().await;
        Ok(Some(KnownUser { is_active: !self.inactive.load(Ordering::SeqCst), email: None }))
    }

    async fn set_email(&self, _: &UserId, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A server whose users are in this directory.
fn with_directory(issuer: &Issuer, directory: &Arc<Directory>, change: impl FnOnce(&mut SocketSettings)) -> Server {
    let mut server = server(issuer, change);
    server.settings.authenticator = issuer.authenticator().with_users(Arc::clone(directory) as Arc<dyn UserDirectory>);
    server
}

/// "An inactive user gets 403 everywhere and loses sockets."
#[actix_web::test]
async fn a_user_who_becomes_inactive_loses_sockets() {
    let (issuer, directory) = (Issuer::start(), Arc::new(Directory::default()));
    let listening = Listening::of(with_directory(&issuer, &directory, |sockets| {
        sockets.check_every = Duration::from_millis(100);
    }));
    let mut client = watch(&listening, &token(&issuer, 60)).await;
    directory.inactive.store(true, Ordering::SeqCst);
    let (code, error) = client.end().await;
    assert_eq!((code, error.as_deref()), (1008, Some("This user is not active any more.")));
    let mut again = listening.connect("/api/notebooks/blank").await;
    again.say(&json!({"type": "authenticate", "token": token(&issuer, 60)})).await;
    assert_eq!(again.end().await.0, 1008);
    listening.stop().await;
}

/// A client that has sent a token has done its part: the time of the check does not count to `sign_in_within`, it
/// is not told that it may not come again, and no silent socket takes its place.
#[actix_web::test]
async fn a_slow_directory_is_not_the_clients_fault() {
    let (issuer, directory) = (Issuer::start(), Arc::new(Directory::default()));
    let listening = Listening::of(with_directory(&issuer, &directory, |sockets| sockets.max_pending_per_address = 1));
    let held = directory.gate.write().await;
    let mut client = listening.connect("/api/notebooks/blank").await;
    client.say(&json!({"type": "authenticate", "token": issuer.token("me")})).await;
    directory.asked.notified().await;
    for _ in 0..3 {
        listening.connect("/api/notebooks/blank").await;
    }
    drop(held);
    assert_eq!(client.hear().await["type"], "authenticated");
    listening.stop().await;

    let mut server = with_directory(&issuer, &directory, |sockets| sockets.sign_in_within = Duration::from_millis(300));
    server.settings.request_timeout = Duration::from_millis(600);
    let listening = Listening::of(server);
    let _held = directory.gate.write().await;
    let mut client = listening.connect("/api/notebooks/blank").await;
    client.say(&json!({"type": "authenticate", "token": issuer.token("me")})).await;
    let (code, error) = client.end().await;
    assert_eq!((code, error.as_deref()), (1013, Some("Signing in takes too long for the moment; try again.")));
    listening.stop().await;
}

#[actix_web::test]
async fn a_slow_directory_holds_up_no_socket() {
    let (issuer, directory) = (Issuer::start(), Arc::new(Directory::default()));
    let listening = Listening::of(with_directory(&issuer, &directory, |sockets| {
        sockets.check_every = Duration::from_millis(100);
    }));
    let mut client = watch(&listening, &issuer.token("me")).await;
    directory.asked.notified().await;
    let held = directory.gate.write().await;
    // As soon as what it said is too old.
    directory.asked.notified().await;
    client.say(&json!({"type": "refresh_auth", "token": issuer.token("me")})).await;
    let (user, id) = (UserId::new("me").unwrap(), NotebookId::new("blank-me").unwrap());
    let insert = Edit::InsertCell {
        id: CellId::new("new").unwrap(),
        cell_type: CellType::Python,
        code: "".into(),
        place: Place::End,
    };
    listening.server.service.edit(&user, &id, None, insert).await.unwrap();
    assert_eq!(client.hear().await["type"], "cell_created");
    assert_eq!(directory.asking.load(Ordering::SeqCst), 1);
    drop(held);
    assert_eq!(client.hear().await["type"], "auth_refreshed");
    listening.stop().await;
}
