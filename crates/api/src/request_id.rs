//! Ids of requests, which tie a response to its log line.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::HeaderValue;
use uuid::Uuid;

/// A source of request ids: a random part for this start of the server, and a counter.
#[derive(Debug)]
pub(crate) struct RequestIds {
    start: u64,
    count: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let (start, _) = Uuid::new_v4().as_u64_pair();
        Self { start, count: AtomicU64::new(0) }
    }
}

impl RequestIds {
    pub(crate) fn next(&self) -> RequestId {
        let mut id = String::with_capacity(32);
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let _ = write!(id, "{:016x}-{count:08x}", self.start); // writing to a String cannot fail
        RequestId(id)
    }
}

/// A request's id, made by this server, never taken from the client.
#[derive(Debug)]
pub(crate) struct RequestId(String);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        // Hexadecimal digits and a dash are always a valid header value.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }
}
