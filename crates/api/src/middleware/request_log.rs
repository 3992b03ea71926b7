//! One log line for each request. The line holds nothing that the client sent, except the method and, behind a trusted proxy,
//! an address.

use std::net::IpAddr;
use std::time::Instant;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest};

use crate::extract::Caller;
use crate::request_id::RequestId;

/// The log line of a request in flight; also written when the client disconnects before the end.
#[derive(Debug)]
pub(crate) struct RequestLogLine {
    pub(crate) id: RequestId,
    method: Method,
    /// The client's address; a log line's field only if it is known.
    client: Option<IpAddr>,
    started: Instant,
    written: bool,
}

impl RequestLogLine {
    pub(crate) fn begin(method: Method, id: RequestId, client: Option<IpAddr>) -> Self {
        Self { id, method, client, started: Instant::now(), written: false }
    }

    /// Writes the line; `failure` is for the operator only. There is no request if a route has lost it.
    pub(crate) fn end(mut self, request: Option<&HttpRequest>, status: StatusCode, failure: Option<&str>) {
        self.written = true;
        let extensions = request.map(HttpRequest::extensions);
        let caller = extensions.as_ref().and_then(|extensions| extensions.get::<Caller>());
        let user = caller.map_or("-", |Caller(user)| user.as_str());
        let (method, request_id, ms) = (self.method.as_str(), self.id.as_str(), self.ms());
        let client = self.client.map(tracing::field::display);
        macro_rules! line {
            ($level:ident) => {{
                let pattern = request.and_then(HttpRequest::match_pattern);
                let route = pattern.as_deref().unwrap_or("unmatched");
                tracing::$level!(
                    method,
                    route,
                    status = status.as_u16(),
                    ms,
                    request_id,
                    client,
                    user,
                    failure,
                    "request"
                );
            }};
        }
        match status.as_u16() {
            500.. => line!(error),
            400.. => line!(warn),
            _ if tracing::enabled!(tracing::Level::INFO) => line!(info),
            _ => {}
        }
    }

    fn ms(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Drop for RequestLogLine {
    fn drop(&mut self) {
        if !self.written {
            let (method, request_id, ms) = (self.method.as_str(), self.id.as_str(), self.ms());
            let client = self.client.map(tracing::field::display);
            tracing::info!(method, ms, request_id, client, "request abandoned: the client went away");
        }
    }
}
