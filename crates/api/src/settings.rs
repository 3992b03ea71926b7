//! Settings of the API.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::auth::Authenticator;

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Says who is calling.
    pub authenticator: Authenticator,
    /// The origins whose pages may use the API, as browsers write them: scheme, host, and port if it is not the usual.
    pub allowed_origins: Vec<String>,
    /// How many requests a user may make; without it, any number.
    pub request_limit: Option<RequestLimit>,
    /// Number of proxies in front of the server whose entries in `X-Forwarded-For` are believed. With 0, the client is the
    /// connection's peer.
    pub trusted_proxies: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// How long the service may take over a request, once the body is there.
    pub request_timeout: Duration,
    /// How WebSockets behave.
    pub sockets: SocketSettings,
    /// Number of requests of one user that may be under way at once, from their heads to the ends of their answers, so that
    /// no user holds all connections. WebSockets have a limit of their own.
    pub user_requests: usize,
    /// Bytes that may be held of bodies that are being received, but for the first 64 KiB of each.
    pub body_bytes: ByteLimit,
    /// Bytes that may be held of answers and messages that are being sent, but for those that have 64 KiB at most.
    pub answer_bytes: ByteLimit,
}

impl Settings {
    /// The usual limit on the bytes of bodies: three of the largest for each user.
    pub const BODY_BYTES: ByteLimit = ByteLimit { server: 128 << 20, user: 48 << 20 };
    /// The usual limit on the bytes of answers.
    pub const ANSWER_BYTES: ByteLimit = ByteLimit { server: 256 << 20, user: 64 << 20 };
}

/// Bytes that may be held at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteLimit {
    /// Bytes for all users together.
    pub server: usize,
    /// Bytes for one user.
    pub user: usize,
}

/// How many requests a user may make, over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimit {
    /// How many a second in the long run.
    pub per_second: NonZeroU32,
    /// How many at once, after a rest.
    pub burst: NonZeroU32,
}

/// How WebSockets behave; the defaults are what existing clients count on.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// How many there are at most, in all. When as many are open, one that has not signed in makes room; when all have,
    /// the new one is sent away.
    pub most: usize,
    /// How many a user has at most; one more is sent away.
    pub most_per_user: usize,
    /// How many from one address may be about to sign in; the oldest of them makes room for one more.
    pub most_waiting_per_address: usize,
    /// How long a client may take to sign in.
    pub sign_in_within: Duration,
    /// How long after its user's last signed-in HTTP request a socket lives that never renews its sign-in, as those of old
    /// clients do not, when its token ends before that. With zero, no socket outlives its token.
    pub unrefreshed_max: Duration,
    /// How much longer than its token a socket lives, so that a renewal that is on its way arrives.
    pub expiry_grace: Duration,
    /// How often a client is asked for a sign of life. One that has given none in three such times is cut off.
    pub ping_every: Duration,
    /// How often it is asked whether the user may still use the server.
    pub check_every: Duration,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            most: 600,
            most_per_user: 100,
            most_waiting_per_address: 64,
            sign_in_within: Duration::from_secs(10),
            unrefreshed_max: Duration::from_hours(1),
            expiry_grace: Duration::from_secs(5),
            ping_every: Duration::from_secs(20),
            check_every: Duration::from_secs(5),
        }
    }
}
