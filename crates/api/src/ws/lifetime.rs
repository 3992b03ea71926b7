//! The lifetime of a socket, which depends on its tokens.

use std::time::{Duration, Instant};

use crate::settings::SocketSettings;

/// The state that determines the end of a socket.
#[derive(Debug)]
pub(crate) struct Lifetime {
    /// Time of the socket's sign-in or of the user's last signed-in HTTP request, whichever is later.
    signed_in: Instant,
    /// End of the last token; none in development mode.
    expires_at: Option<Instant>,
    refreshed: bool,
}

impl Lifetime {
    /// Begins the lifetime of a socket that signs in now.
    pub(crate) fn new(now: Instant, expires_at: Option<Instant>) -> Self {
        Self { signed_in: now, expires_at, refreshed: false }
    }

    /// Takes in a renewed token.
    pub(crate) fn refresh(&mut self, expires_at: Option<Instant>) {
        *self = Self { expires_at, refreshed: true, ..*self };
    }

    /// Takes in the time of a signed-in HTTP request of the user.
    pub(crate) fn prolong(&mut self, requested: Instant) {
        self.signed_in = self.signed_in.max(requested);
    }

    /// Returns the end of the socket. Old clients never renew their sign-in, although their tokens live a minute; a socket that
    /// has never renewed its sign-in gets `unrefreshed_max`, counted from its user's last signed-in HTTP request.
    pub(crate) fn ends(&self, settings: &SocketSettings) -> Option<Instant> {
        let after = |instant: Instant, more: Duration| instant.checked_add(more);
        let by_token = after(self.expires_at?, settings.expiry_grace)?;
        if self.refreshed || settings.unrefreshed_max.is_zero() {
            return Some(by_token);
        }
        Some(by_token.max(after(self.signed_in, settings.unrefreshed_max)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_lives_by_its_last_token_once_it_has_renewed_one() {
        let settings = SocketSettings::default();
        let strict = SocketSettings { unrefreshed_max: Duration::ZERO, ..settings.clone() };
        let now = Instant::now();
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        let mut life = Lifetime::new(now, at(60));
        assert_eq!((life.ends(&settings), life.ends(&strict)), (at(3600), at(65)));
        assert_eq!(Lifetime::new(now, at(7200)).ends(&settings), at(7205));
        for requested in [30, 20] {
            life.prolong(now + Duration::from_secs(requested));
            assert_eq!((life.ends(&settings), life.ends(&strict)), (at(3630), at(65)));
        }
        life.refresh(at(100));
        life.prolong(now + Duration::from_secs(90));
        assert_eq!((life.ends(&settings), life.ends(&strict)), (at(105), at(105)));
        let mut developer = Lifetime::new(now, None);
        assert_eq!(developer.ends(&strict), None);
        developer.refresh(None);
        assert_eq!(developer.ends(&strict), None);
    }
}
