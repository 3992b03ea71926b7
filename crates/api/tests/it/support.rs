//! A server for one test, and what it answers.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody as _, to_bytes};
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderMap};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::Bytes;
use quire_api::{Api, Authenticator, Settings};
use quire_domain::{SecretKey, SecretKeys, UserId};
use quire_service::{NotebookService, Options};
use quire_storage_json::JsonNotebookStore;
use serde_json::Value;
use tempfile::TempDir;

use crate::described;

pub(crate) struct Server {
    pub(crate) dir: TempDir,
    pub(crate) service: NotebookService,
    pub(crate) settings: Settings,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::over(&[])
    }

    /// A server whose directory holds these files.
    pub(crate) fn over(files: &[(&str, &str)]) -> Self {
        Self::with_key(None, files)
    }

    /// A server that seals connection strings with this key.
    pub(crate) fn with_key(key: Option<&str>, files: &[(&str, &str)]) -> Self {
        let keys = key.map(|key| Arc::new(SecretKeys { current: SecretKey::parse(key).unwrap(), old: None }));
        Self::with(Options { keys, plain_connections: true, ..Options::default() }, files)
    }

    /// A server whose service has these options.
    pub(crate) fn with(options: Options, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let service = service(dir.path(), options);
        let settings = Settings {
            authenticator: development("me"),
            allowed_origins: vec!["http://localhost:3000".to_owned(), "https://quire.example".to_owned()],
            request_limit: None,
            trusted_proxies: 0,
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            sockets: quire_api::SocketSettings::default(),
            user_requests: 1_000,
            body_bytes: Settings::BODY_BYTES,
            response_bytes: Settings::RESPONSE_BYTES,
        };
        Self { dir, service, settings }
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.service.clone(), self.settings.clone())
    }

    /// The same server as another user finds it.
    pub(crate) fn as_user(&self, user: &str) -> Api {
        Api::new(self.service.clone(), Settings { authenticator: development(user), ..self.settings.clone() })
    }

    pub(crate) async fn send(&self, request: TestRequest) -> Reply {
        send(&self.api(), request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(get(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(with_json(TestRequest::post(), path, body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Reply {
        self.send(with_json(TestRequest::put(), path, body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(to(TestRequest::delete(), path)).await
    }

    /// A new notebook; returns its path.
    pub(crate) async fn notebook(&self) -> String {
        let answer = self.send(to(TestRequest::post(), "/api/notebooks")).await.ok();
        format!("/api/notebooks/{}", answer["notebook_id"].as_str().unwrap())
    }

    /// The id of a notebook's first cell.
    pub(crate) async fn first_cell(&self, notebook: &str) -> String {
        self.get(notebook).await.ok()["cells"][0]["id"].as_str().unwrap().to_owned()
    }
}

fn development(user: &str) -> Authenticator {
    Authenticator::development(UserId::new(user).unwrap())
}

fn service(dir: &Path, options: Options) -> NotebookService {
    let files = quire_storage_json::Options { scan_every: None, ..quire_storage_json::Options::default() };
    let store = JsonNotebookStore::open(dir, files).unwrap();
    NotebookService::new(Arc::new(store), options).unwrap()
}

pub(crate) fn to(request: TestRequest, path: &str) -> TestRequest {
    request.uri(path).insert_header((HOST, "localhost:8000"))
}

pub(crate) fn get(path: &str) -> TestRequest {
    to(TestRequest::get(), path)
}

pub(crate) fn with_json(request: TestRequest, path: &str, body: &str) -> TestRequest {
    to(request, path)
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header(("Content-Length", body.len().to_string()))
        .set_payload(body.to_owned())
}

/// The answer, which must be as the API is described.
pub(crate) async fn send(api: &Api, request: TestRequest) -> Reply {
    let (method, path, reply) = ask(api, request).await;
    described::check(&method, &path, &reply);
    reply
}

/// The request's method and path, and the answer, whatever it is.
pub(crate) async fn ask(api: &Api, request: TestRequest) -> (Method, String, Reply) {
    let request = request.to_request();
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let response = call_service(&init_service(api.app()).await, request).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (method, path, Reply { status, headers, body: to_bytes(response.into_body()).await.unwrap() })
}

/// The patterns of all routes, as the router itself knows them.
pub(crate) async fn patterns(api: &Api) -> BTreeSet<String> {
    let seen = Arc::new(Mutex::new(String::new()));
    let look = {
        let seen = Arc::clone(&seen);
        from_fn(move |request: ServiceRequest, next: Next<_>| {
            *seen.lock().unwrap() = format!("{:?}", request.resource_map());
            async move { next.call(request).await.map(|answer| answer.map_body(|_, body: BoxBody| body.boxed())) }
        })
    };
    let app = init_service(api.app().wrap(look)).await;
    call_service(&app, get("/livez").to_request()).await;
    let seen = seen.lock().unwrap();
    seen.split('"').filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.headers.get_all(name).collect();
        assert!(values.len() <= 1, "{name}: {values:?}");
        values.first().map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks the headers that every response has.
    pub(crate) fn check_envelope(&self) {
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        // Pages may be cached; all other responses are private to a user.
        let is_json = self.header("content-type").is_none_or(|kind| kind.ends_with("json"));
        assert!(self.header("cache-control") == Some("no-store") || !is_json, "{self:?}");
        assert_eq!(self.header("vary"), Some("Origin"));
        assert_eq!(self.header("x-request-id").map(str::len), Some(25));
    }

    /// The body of a success.
    pub(crate) fn ok(&self) -> Value {
        self.check_envelope();
        assert_eq!((self.status, self.header("content-type")), (200, Some("application/json")), "{self:?}");
        self.json()
    }

    /// The body of an error with this status and code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.any_problem();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["type"], format!("urn:quire:problem:{code}"));
        problem
    }

    /// The body of an error, whichever.
    pub(crate) fn any_problem(&self) -> Value {
        self.check_envelope();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
        let detail = problem["detail"].as_str().unwrap();
        let first = detail.chars().next().unwrap();
        assert!((!first.is_alphabetic() || first.is_uppercase()) && detail.ends_with('.'), "{detail}");
        problem
    }

    pub(crate) fn detail(&self) -> String {
        self.any_problem()["detail"].as_str().unwrap().to_owned()
    }
}
