//! Admission of requests. Each must be signed in by the [`Authenticator`](crate::Authenticator), except the load balancer's
//! probes, the pages that describe the API, and WebSockets, which sign in by their first message. The check is here, before
//! all routes, so that no route can omit it.
//!
//! Any web page that a user opens can send requests. A request is refused unless it is plainly of a program or of an allowed
//! page:
//!
//! - A present `Origin` must be allowed, or the server's own, else any page could change things.
//! - A body must be announced as JSON, which a page can only do after a preflight.
//! - In development mode, which has no sign-in, `Host` must be a loopback name, else a page could rebind its own name to
//!   this machine and read the responses. With sign-in such a page has no token.

use std::time::Instant;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING,
    UPGRADE,
};
use quire_domain::limits;

use super::cors;
use crate::app_state::AppState;
use crate::auth::AuthError;
use crate::extract::Caller;
use crate::problem::{Code, Problem};

/// The paths of pages for people and of what the pages are made of, which need no sign-in.
pub(crate) const PAGES: [&str; 6] = [
    "/",
    "/api/docs",
    "/api/docs/style.css",
    "/api/docs/docs.js",
    "/api/docs/swagger-ui.css",
    "/api/docs/swagger-ui-bundle.js",
];

/// A request that may come in.
pub(crate) enum Admitted {
    /// A CORS preflight, which carries no token.
    Preflight,
    /// A request that needs no sign-in.
    Anonymous,
    /// A request of this user.
    User(Caller),
}

/// Authenticates and checks a request, or returns the reason of its refusal.
pub(crate) async fn admit(request: &ServiceRequest, state: &AppState) -> Result<Admitted, Problem> {
    let (headers, settings) = (request.headers(), &state.settings);
    let is_probe = is_probe(request.path());
    let is_open = is_probe || is_page(request) || is_socket(request);
    if settings.authenticator.is_development() && !is_probe {
        check_host(request, headers)?;
    }
    check_origin(headers, &settings.allowed_origins)?;
    if cors::is_preflight(request) {
        return Ok(Admitted::Preflight);
    }
    let admitted = if is_open { Admitted::Anonymous } else { Admitted::User(sign_in(headers, state).await?) };
    check_body(headers)?;
    Ok(admitted)
}

async fn sign_in(headers: &HeaderMap, state: &AppState) -> Result<Caller, Problem> {
    // In development mode a client's token, if there is one, is ignored.
    let token = if state.settings.authenticator.is_development() { "" } else { bearer(headers)? };
    let user = state.sign_in(token).await?.user;
    state.socket_limiter.note_request(&user, Instant::now());
    Ok(Caller(user))
}

/// Returns the token of the request's `Authorization` (RFC 6750, section 2.1). No other place is read.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    if !headers.contains_key(AUTHORIZATION) {
        return Err(AuthError::Missing.into());
    }
    let value = only(headers, &AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or_default();
    let token = if scheme.eq_ignore_ascii_case("Bearer") { token.trim_start_matches(' ') } else { "" };
    if token.is_empty() {
        return Err(Problem::new(Code::NotSignedIn, "Sign in first: the Authorization must be `Bearer` and a token."));
    }
    Ok(token)
}

/// Returns whether the path is a probe of a load balancer, which may send any `Host`; the responses hold only the server's state.
fn is_probe(path: &str) -> bool {
    matches!(path, "/health" | "/livez" | "/readyz")
}

/// Returns whether the request reads a page or the description of the API, which hold no data.
fn is_page(request: &ServiceRequest) -> bool {
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    is_read && (request.path() == "/api/openapi.json" || PAGES.contains(&request.path()))
}

/// Returns whether the request is an upgrade to a WebSocket, whose first message signs in, because browsers can send no header
/// with an upgrade. The socket sends no data before that.
fn is_socket(request: &ServiceRequest) -> bool {
    let upgrade =
        only(request.headers(), &UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgrade && request.method() == Method::GET && request.path().starts_with("/api/ws/notebooks/")
}

fn check_host(request: &ServiceRequest, headers: &HeaderMap) -> Result<(), Problem> {
    let loopback = only(headers, &HOST).and_then(|host| host.to_str().ok()).is_some_and(is_loopback);
    // A target like `GET http://elsewhere/ HTTP/1.1` overrides Host (RFC 9112, 3.2.2); no client of ours sends one.
    if loopback && request.uri().authority().is_none() {
        return Ok(());
    }
    let detail = "In development mode the Host must be localhost, 127.0.0.1 or [::1].";
    Err(Problem::new(Code::ForbiddenHost, detail))
}

/// Returns whether the host is a loopback name, in the exact spelling that clients use.
fn is_loopback(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| match host.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(is_port),
        None => false,
    })
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn check_origin(headers: &HeaderMap, origins: &[String]) -> Result<(), Problem> {
    if !headers.contains_key(ORIGIN) || allowed_origin(headers, origins).is_some() || is_own_origin(headers) {
        return Ok(());
    }
    Err(Problem::new(Code::ForbiddenOrigin, "Pages of this origin may not use the server; see ALLOWED_ORIGINS."))
}

/// Returns whether the request is of one of the server's own pages, whose changes have an `Origin` too. A page that rebinds its
/// own name to this server passes here, but has no token or, in development mode, the wrong `Host`.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let (Some(origin), Some(host)) = (only(headers, &ORIGIN), only(headers, &HOST)) else { return false };
    let authority = ["http://", "https://"].iter().find_map(|scheme| origin.as_bytes().strip_prefix(scheme.as_bytes()));
    authority == Some(host.as_bytes()) && !host.is_empty()
}

/// Returns the request's origin, if it is allowed.
pub(crate) fn allowed_origin<'a>(headers: &'a HeaderMap, origins: &[String]) -> Option<&'a HeaderValue> {
    only(headers, &ORIGIN).filter(|origin| origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()))
}

/// Checks what is announced of the body; chunks have no announced length and count as a body even if none comes.
fn check_body(headers: &HeaderMap) -> Result<(), Problem> {
    // The HTTP library refuses a content length that is no number, so here it is at most too large to be one.
    let length = |value: &HeaderValue| value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let length = headers.get(CONTENT_LENGTH).map_or(0, |value| length(value).unwrap_or(usize::MAX));
    if (length > 0 || headers.contains_key(TRANSFER_ENCODING)) && !only(headers, &CONTENT_TYPE).is_some_and(is_json) {
        let detail = "A body must come with the Content-Type application/json.";
        return Err(Problem::new(Code::ForbiddenContentType, detail));
    }
    if length > limits::BODY_BYTES {
        return Err(Problem::body_too_large(limits::BODY_BYTES));
    }
    Ok(())
}

/// Returns whether a content type is `application/json` or `application/…+json`, with any parameters.
fn is_json(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix("application/") else { return false };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    subtype == "json" || subtype.strip_suffix("+json").is_some_and(|s| !s.is_empty() && s.bytes().all(is_token))
}

/// The header's value when it is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    if values.next().is_some() { None } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_loopback_names_are_hosts() {
        for good in ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535"] {
            assert!(is_loopback(good), "{good}");
        }
        let bad = "|localhost.|LOCALHOST|localhost:|localhost:x|localhost:99999|localhost:+1|localhost.evil.example\
            |localhost:80:80|127.0.0.2|127.0.0.1.evil.example|0.0.0.0|127.1|2130706433|::1|[::1|[::1]x\
            |user@localhost|localhost:80@evil.example|localhost,evil.example|evil.example| localhost";
        for bad in bad.split('|') {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    #[test]
    fn json_has_many_names() {
        let is_json = |text: &str| is_json(&HeaderValue::from_str(text).unwrap());
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json;v=1"] {
            assert!(is_json(good), "{good}");
        }
        let bad = "|text/plain|text/json|application/jsonp|application/x-www-form-urlencoded|application/+json\
            |application/a b+json|text/plain; a=application/json|application/json, text/plain";
        for bad in bad.split('|') {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
