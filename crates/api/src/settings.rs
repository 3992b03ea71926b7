//! Settings of the API.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::auth::Authenticator;

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The authenticator of callers.
    pub authenticator: Authenticator,
    /// Origins whose pages may use the API, as browsers write them: scheme, host, and a port that is not the default.
    pub allowed_origins: Vec<String>,
    /// The rate limit on each user's requests; none for no limit.
    pub request_limit: Option<RequestLimit>,
    /// Number of proxies in front of the server whose entries in `X-Forwarded-For` are believed. With 0, the client is the
    /// connection's peer.
    pub trusted_proxies: usize,
    /// Time limit for the arrival of a body.
    pub body_timeout: Duration,
    /// Time limit of a request once its body has arrived.
    pub request_timeout: Duration,
    /// Settings of WebSockets.
    pub sockets: SocketSettings,
    /// Maximum requests of one user in flight, from their heads to the ends of their responses, so that no user holds all
    /// connections. WebSockets have a limit of their own.
    pub user_requests: usize,
    /// Maximum bytes of bodies that are being received, not counting the first 64 KiB of each.
    pub body_bytes: ByteLimit,
    /// Maximum bytes of responses and messages that are being sent, not counting those of 64 KiB or less.
    pub response_bytes: ByteLimit,
}

impl Settings {
    /// The default of `body_bytes`: three of the largest bodies for each user.
    pub const BODY_BYTES: ByteLimit = ByteLimit { server: 128 << 20, user: 48 << 20 };
    /// The default of `response_bytes`.
    pub const RESPONSE_BYTES: ByteLimit = ByteLimit { server: 256 << 20, user: 64 << 20 };
}

/// A limit on bytes in memory at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteLimit {
    /// Maximum bytes of all users together.
    pub server: usize,
    /// Maximum bytes of one user.
    pub user: usize,
}

/// A rate limit on a user's requests over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimit {
    /// Requests per second in the long run.
    pub per_second: NonZeroU32,
    /// Maximum burst of requests after a pause.
    pub burst: NonZeroU32,
}

/// Settings of WebSockets. Existing clients rely on the defaults.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Maximum open sockets. Beyond it, the oldest socket that has not signed in is closed; if all have signed in, the new
    /// socket is refused.
    pub max_sockets: usize,
    /// Maximum signed-in sockets of a user; another one is refused.
    pub max_per_user: usize,
    /// Maximum sockets of one address that have not signed in; beyond it, the oldest of them is closed.
    pub max_pending_per_address: usize,
    /// Time limit for the sign-in.
    pub sign_in_within: Duration,
    /// Time after the user's last signed-in HTTP request in which a socket stays open beyond its token, if it never renews its
    /// sign-in, as old clients do not. With zero, no socket outlives its token.
    pub unrefreshed_max: Duration,
    /// Time after the end of its token in which a socket stays open, so that a renewal in flight arrives.
    pub expiry_grace: Duration,
    /// Period of pings. A client that has sent nothing for three periods is disconnected.
    pub ping_every: Duration,
    /// Period of checks that the user is still active.
    pub check_every: Duration,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            max_sockets: 600,
            max_per_user: 100,
            max_pending_per_address: 64,
            sign_in_within: Duration::from_secs(10),
            unrefreshed_max: Duration::from_hours(1),
            expiry_grace: Duration::from_secs(5),
            ping_every: Duration::from_secs(20),
            check_every: Duration::from_secs(5),
        }
    }
}
