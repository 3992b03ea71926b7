//! Pages for people: a welcome, and the API to read and try. They hold no data and need no sign-in.
//!
//! A page loads nothing from another server and has no inline script. The policy below forbids both, so that shown text can
//! never run as a script with the rights of the reader.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};

use crate::app_state::AppState;
use crate::middleware::PAGES;
use crate::problem::{Code, Problem};
use crate::response::{HandlerResult, read, resource};

/// The welcome page.
const WELCOME: &str = include_str!("pages/welcome.html");
/// The page that shows the API.
const DOCS: &str = include_str!("pages/docs.html");
const STYLE: &str = include_str!("pages/style.css");
const SCRIPT: &str = include_str!("pages/docs.js");

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    for path in PAGES {
        config.service(resource(path, "GET, HEAD").route(read().to(show)));
    }
}

async fn show(request: HttpRequest, state: web::Data<AppState>) -> HandlerResult {
    let (html, css, script) = ("text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8");
    match request.path() {
        "/" => Ok(page(html, welcome(state.settings.authenticator.is_development()))),
        "/api/docs" => Ok(page(html, DOCS)),
        "/api/docs/style.css" => Ok(page(css, STYLE)),
        "/api/docs/docs.js" => Ok(page(script, SCRIPT)),
        "/api/docs/swagger-ui.css" => swagger_ui(css, "swagger-ui.css"),
        _ => swagger_ui(script, "swagger-ui-bundle.js"),
    }
}

fn welcome(is_development: bool) -> String {
    let sign_in = if is_development {
        "This server is in development mode: there is no sign-in, and every request is of one user."
    } else {
        "Requests need a session token, as <code>Authorization: Bearer …</code>; what is linked here does not."
    };
    WELCOME.replace("{sign-in}", sign_in)
}

fn page(kind: &'static str, text: impl Into<Cow<'static, str>>) -> HttpResponse {
    let body = match text.into() {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    };
    page_response(kind, body)
}

/// Returns a file of Swagger UI. It is compressed in the binary, which every browser accepts.
fn swagger_ui(kind: &'static str, name: &str) -> HandlerResult {
    let file = utoipa_swagger_ui::serve(name, Arc::default());
    let Ok(Some(file)) = file else {
        return Err(Problem::new(Code::Internal, "The server was built without this file."));
    };
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let mut response = page_response(kind, body);
    if file.gzpipped {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // Large, and changes only with the version of the server.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(response)
}

fn page_response(kind: &'static str, body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(kind)))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .body(body)
}
