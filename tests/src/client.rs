//! An HTTP client for servers that may be killed, stopped or restarted meanwhile.

use serde_json::Value;

use super::PATIENCE;

/// Idle connections that a client keeps, for tests whose threads share it.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// A client of one address.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    address: String,
}

/// A complete response.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header `ETag`; empty without one.
    pub etag: String,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The body; null when it is not JSON.
    pub body: Value,
}

impl Client {
    /// Creates a client of this host and port.
    #[must_use]
    pub fn of(address: &str) -> Self {
        Self::with_idle(address, MAX_IDLE_CONNECTIONS)
    }

    /// As [`of`](Self::of), with a new connection for each request.
    #[must_use]
    pub fn without_keep_alive(address: &str) -> Self {
        Self::with_idle(address, 0)
    }

    fn with_idle(address: &str, connections: usize) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .build();
        Self { agent: agent.into(), address: address.to_owned() }
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request with these headers; `None` if no complete response came.
    #[must_use]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Option<Reply> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => {
                self.agent.run(request.header("Content-Type", "application/json").body(body.to_string()).ok()?)
            }
            None => self.agent.run(request.body("").ok()?),
        };
        let mut answer = answer.ok()?;
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let (etag, retry_after) = (header("etag").unwrap_or_default(), header("retry-after"));
        let location = header("location");
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string().ok()?;
        Some(Reply { status, etag, retry_after, location, body: serde_json::from_str(&text).unwrap_or_default() })
    }
}
