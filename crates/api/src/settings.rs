//! How WebSockets behave.

use std::time::Duration;

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
