//! Every route of the router without a valid sign-in, and with another user's.

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quire_api::Api;
use ring::hmac;
use serde_json::json;

use super::issuer::{Issuer, PEM, Signer, header, seconds, unsigned, with};
use crate::support::{Reply, Server, get, patterns, send, with_json};

/// Routes of load balancers, which have no token.
const OPEN: [&str; 3] = ["/health", "/livez", "/readyz"];
/// Routes that need no sign-in to be read: pages and the description. They hold no data, and a reader who has no
/// token yet must be able to learn that one is needed.
const PAGES: [&str; 7] = [
    "/",
    "/api/openapi.json",
    "/api/docs",
    "/api/docs/style.css",
    "/api/docs/docs.js",
    "/api/docs/swagger-ui.css",
    "/api/docs/swagger-ui-bundle.js",
];
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];
/// Fits every route that takes a body, so that none is refused for that.
const BODY: &str = r#"{"name": "taken", "reactive": false, "connection_string": "", "type": "sql", "code": "taken", "after_cell_id": null,
    "scope": "all"}"#;

/// A pattern's path to this notebook and cell.
fn path(pattern: &str, notebook: &str, cell: &str) -> String {
    let path = pattern.replace("{id}", notebook).replace("{id:.+}", notebook).replace("{cell_id}", cell);
    let path = path.replace("{run_id}", "00000000-0000-4000-8000-000000000000");
    assert!(!path.contains('{'), "{pattern} has parts that this test does not know");
    path
}

fn request(method: &str, path: &str, authorization: Option<&str>) -> TestRequest {
    let request = with_json(TestRequest::default().method(Method::from_bytes(method.as_bytes()).unwrap()), path, BODY);
    match authorization {
        Some(value) => request.insert_header((AUTHORIZATION, value)),
        None => request,
    }
}

/// Everything that is no sign-in, by name.
fn strangers(issuer: &Issuer) -> Vec<(&'static str, Option<String>)> {
    let claims = || issuer.claims("owner");
    let signed = |head, claims| issuer.signer.sign(&head, &claims);
    let good = issuer.token("owner");
    let none = format!("{}.", unsigned(&with(header(), json!({"alg": "none"})), &claims()));
    let confused = unsigned(&with(header(), json!({"alg": "HS256"})), &claims());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, PEM.as_bytes()), confused.as_bytes());
    let confused = format!("{confused}.{}", URL_SAFE_NO_PAD.encode(tag));
    let stranger = Signer::stranger().sign(&header(), &claims());
    let bearer = [
        ("garbage", "garbage".to_owned()),
        ("expired", signed(header(), with(claims(), json!({"exp": seconds(-60)})))),
        ("not yet valid", signed(header(), with(claims(), json!({"nbf": seconds(3_600)})))),
        ("alg none", none),
        ("HS256 with the public key", confused),
        ("a stranger's signature", stranger),
        ("wrong issuer", signed(header(), with(claims(), json!({"iss": "https://clerk.evil.example"})))),
        ("wrong azp", signed(header(), with(claims(), json!({"azp": "https://evil.example"})))),
        ("no azp", signed(header(), with(claims(), json!({"azp": null})))),
        ("unknown key id", signed(with(header(), json!({"kid": "other"})), claims())),
        ("odd sub", signed(header(), with(claims(), json!({"sub": "owner/../x"})))),
        ("a key of its own", signed(with(header(), json!({"jku": issuer.url})), claims())),
        ("an extension", signed(with(header(), json!({"crit": ["b64"], "b64": false})), claims())),
    ];
    let mut all: Vec<_> = bearer.into_iter().map(|(name, token)| (name, Some(format!("Bearer {token}")))).collect();
    all.extend([
        ("no token", None),
        ("another scheme", Some(format!("Basic {good}"))),
        ("no scheme", Some(good.clone())),
        ("an empty token", Some("Bearer ".to_owned())),
        ("two tokens in one", Some(format!("Bearer {good}, Bearer {good}"))),
    ]);
    all
}

struct Scene {
    server: Server,
    issuer: Issuer,
    api: Api,
    owner: String,
    notebook: String,
    cell: String,
}

/// A server with sign-in, and a notebook of `owner`.
async fn scene() -> Scene {
    let issuer = Issuer::start();
    let mut server = Server::start();
    server.settings.authenticator = issuer.authenticator();
    let (api, owner) = (server.api(), format!("Bearer {}", issuer.token("owner")));
    let made = send(&api, request("POST", "/api/notebooks", Some(&owner))).await.ok();
    let notebook = made["notebook_id"].as_str().unwrap().to_owned();
    let read = send(&api, request("GET", &format!("/api/notebooks/{notebook}"), Some(&owner))).await.ok();
    let cell = read["cells"][0]["id"].as_str().unwrap().to_owned();
    Scene { server, issuer, api, owner, notebook, cell }
}

impl Scene {
    async fn read(&self) -> Reply {
        send(&self.api, request("GET", &format!("/api/notebooks/{}", self.notebook), Some(&self.owner))).await
    }
}

#[actix_web::test]
async fn nobody_passes_any_route_without_signing_in() {
    let scene = scene().await;
    let before = scene.read().await.ok();
    let mut patterns = patterns(&scene.api).await;
    let some = ["/api/notebooks", "/api/notebooks/{id}/cells/{cell_id}", "/api/ws/notebooks/{id:.+}"];
    for known in OPEN.into_iter().chain(PAGES).chain(some) {
        assert!(patterns.contains(known), "{known} is not among {patterns:?}");
    }
    // Where there is no route, that is not told either.
    let nowhere =
        ["//", "/nowhere", "/api/notebooks/{id}/nowhere", "/health/", "//health", "/api/docs/", "/api/docs/x"];
    patterns.extend(nowhere.map(str::to_owned));
    let strangers = strangers(&scene.issuer);
    for pattern in &patterns {
        let path = path(pattern, &scene.notebook, &scene.cell);
        for method in METHODS {
            for (name, authorization) in &strangers {
                let reply = send(&scene.api, request(method, &path, authorization.as_deref())).await;
                if OPEN.contains(&pattern.as_str()) {
                    let is_read = matches!(method, "GET" | "HEAD");
                    assert_eq!(reply.status, if is_read { 200 } else { 405 }, "{method} {path}: {name}");
                    continue;
                }
                if PAGES.contains(&pattern.as_str()) && matches!(method, "GET" | "HEAD") {
                    assert_eq!(reply.status, 200, "{method} {path}: {name}");
                    continue;
                }
                assert_eq!(reply.status, 401, "{method} {path}: {name}");
                assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
                let shows_none = ["another scheme", "no scheme", "no token", "an empty token"].contains(name);
                reply.problem(401, if shows_none { "not_signed_in" } else { "bad_token" });
            }
        }
    }
    assert_eq!(scene.read().await.ok(), before);
}

#[actix_web::test]
async fn two_authorizations_are_none() {
    let scene = scene().await;
    let twice = request("GET", "/api/notebooks", Some(&scene.owner)).append_header((AUTHORIZATION, &*scene.owner));
    send(&scene.api, twice).await.problem(401, "not_signed_in");
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let spelled = scene.owner.replacen("Bearer", scheme, 1);
        send(&scene.api, request("GET", "/api/notebooks", Some(&spelled))).await.ok();
    }
}

#[actix_web::test]
async fn another_users_token_opens_no_notebook_on_any_route() {
    let scene = scene().await;
    let before = scene.read().await.ok();
    let other = format!("Bearer {}", scene.issuer.token("other"));
    for pattern in patterns(&scene.api).await.iter().filter(|pattern| pattern.contains("{id}")) {
        for (notebook, code) in [(scene.notebook.as_str(), "foreign_notebook"), ("unknown", "unknown_notebook")] {
            let path = path(pattern, notebook, &scene.cell);
            let mut answered = 0;
            for method in METHODS {
                let reply = send(&scene.api, request(method, &path, Some(&other))).await;
                if reply.status != 405 {
                    answered += 1;
                    let status = if code == "foreign_notebook" { 403 } else { 404 };
                    assert_eq!(reply.status, status, "{method} {path}");
                    if method != "HEAD" {
                        reply.problem(status, code);
                    }
                }
            }
            assert!(answered > 0, "{path}");
        }
    }
    assert_eq!(scene.read().await.ok(), before);
    let list = send(&scene.api, request("GET", "/api/notebooks", Some(&other))).await.ok();
    let ids: Vec<_> = list["notebooks"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["blank-other", "demo-other"]);
    // The short names mean one's own.
    let blank = send(&scene.api, request("GET", "/api/notebooks/blank", Some(&other))).await.ok();
    assert_eq!(blank["id"], "blank-other");
}

#[actix_web::test]
async fn with_sign_in_the_host_is_any_and_the_origin_is_still_checked() {
    let scene = scene().await;
    let ask = |host: &'static str| {
        TestRequest::get()
            .uri("/api/notebooks")
            .insert_header(("Host", host))
            .insert_header((AUTHORIZATION, &*scene.owner))
    };
    for host in ["quire.example", "10.0.0.7:8000", "localhost"] {
        send(&scene.api, ask(host)).await.ok();
    }
    let foreign = ask("quire.example").insert_header(("Origin", "https://evil.example"));
    send(&scene.api, foreign).await.problem(403, "forbidden_origin");
    let allowed = ask("quire.example").insert_header(("Origin", "https://quire.example"));
    assert_eq!(send(&scene.api, allowed).await.header("access-control-allow-origin"), Some("https://quire.example"));
    // A page of ours is told that it must sign in, in words that it can read.
    let stranger = get("/api/notebooks").insert_header(("Origin", "https://quire.example"));
    let reply = send(&scene.api, stranger).await;
    reply.problem(401, "not_signed_in");
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://quire.example"));
    let preflight = TestRequest::default().method(Method::OPTIONS).uri("/api/notebooks");
    let preflight = preflight.insert_header(("Origin", "https://quire.example"));
    let preflight = preflight.insert_header(("Access-Control-Request-Method", "PUT"));
    assert_eq!(send(&scene.api, preflight).await.status, 200);
    assert!(scene.server.dir.path().join(format!("{}.json", scene.notebook)).exists());
}
