//! Limits on the number of WebSockets. A socket that has not sent a token yet is pending: at a limit, the oldest pending one is
//! closed, so that silent sockets keep no other client out, not even one of the same address, as behind a proxy.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use quire_domain::UserId;
use tokio::sync::oneshot;

use crate::connection::client_address::Network;
use crate::settings::SocketSettings;

/// A limiter of open sockets.
#[derive(Debug, Default)]
pub(crate) struct SocketLimiter {
    table: Mutex<SocketTable>,
}

#[derive(Debug, Default)]
struct SocketTable {
    /// Sockets that have not sent a token, in the order in which they were opened.
    pending: std::collections::BTreeMap<u64, (Network, oneshot::Sender<()>)>,
    by_network: HashMap<Network, BTreeSet<u64>>,
    /// Number of sockets that have sent a token.
    admitted: usize,
    signed_in: HashMap<UserId, UserSockets>,
    next: u64,
}

/// The signed-in sockets of one user; forgotten with the last of them.
#[derive(Debug, Default)]
struct UserSockets {
    sockets: usize,
    /// Time of the user's last signed-in HTTP request while one of these was open.
    last_request: Option<Instant>,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// The server's limit.
    Server,
    /// The user's limit.
    User,
}

/// The place of a socket that has not sent a token; `evicted` receives a message when the socket must close.
#[derive(Debug)]
pub(crate) struct PendingSocket {
    limiter: Arc<SocketLimiter>,
    id: u64,
    pub(crate) evicted: oneshot::Receiver<()>,
}

/// The place of a socket that has sent a token. It cannot be evicted.
#[derive(Debug)]
pub(crate) struct SocketPermit {
    limiter: Arc<SocketLimiter>,
    /// The user, once the token has been checked.
    user: Option<UserId>,
}

impl SocketLimiter {
    /// Admits a socket that has not sent a token, and evicts a pending one if a limit is reached.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        settings: &SocketSettings,
    ) -> Result<PendingSocket, LimitReached> {
        let network = Network::of(address);
        let mut table = self.lock();
        if table.by_network.get(&network).is_some_and(|of_network| of_network.len() >= settings.max_pending_per_address)
        {
            let oldest = table.by_network.get(&network).and_then(BTreeSet::first).copied();
            table.evict(oldest);
        }
        if table.pending.len() + table.admitted >= settings.max_sockets {
            let oldest = table.pending.keys().next().copied();
            if oldest.is_none() {
                return Err(LimitReached::Server);
            }
            table.evict(oldest);
        }
        let id = table.next;
        table.next += 1;
        let (evict, evicted) = oneshot::channel();
        table.pending.insert(id, (network, evict));
        table.by_network.entry(network).or_default().insert(id);
        Ok(PendingSocket { limiter: Arc::clone(self), id, evicted })
    }

    /// Records a signed-in HTTP request of the user. Users without sockets are not recorded, so that the table has no more
    /// entries than there are sockets.
    pub(crate) fn note_request(&self, user: &UserId, now: Instant) {
        if let Some(of_user) = self.lock().signed_in.get_mut(user) {
            of_user.last_request = of_user.last_request.max(Some(now));
        }
    }

    /// Returns the time of the user's last signed-in HTTP request while one of the user's sockets was open.
    pub(crate) fn last_request(&self, user: &UserId) -> Option<Instant> {
        self.lock().signed_in.get(user)?.last_request
    }

    fn lock(&self) -> MutexGuard<'_, SocketTable> {
        // The counts agree between any two calls, and nothing in between can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SocketTable {
    fn evict(&mut self, id: Option<u64>) {
        if let Some(evict) = id.and_then(|id| self.remove(id)) {
            let _ = evict.send(()); // the socket may be closing already
        }
    }

    fn remove(&mut self, id: u64) -> Option<oneshot::Sender<()>> {
        let (network, evict) = self.pending.remove(&id)?;
        if let Some(of_network) = self.by_network.get_mut(&network) {
            of_network.remove(&id);
            if of_network.is_empty() {
                self.by_network.remove(&network);
            }
        }
        Some(evict)
    }
}

impl PendingSocket {
    /// Exchanges this place for one that cannot be evicted, when the token has arrived: checking it may take a while, which is not
    /// the client's fault.
    pub(crate) fn into_permit(self) -> Result<SocketPermit, LimitReached> {
        let mut table = self.limiter.lock();
        if table.remove(self.id).is_none() {
            return Err(LimitReached::Server); // evicted just now
        }
        table.admitted += 1;
        drop(table);
        Ok(SocketPermit { limiter: Arc::clone(&self.limiter), user: None })
    }
}

impl Drop for PendingSocket {
    fn drop(&mut self) {
        self.limiter.lock().remove(self.id);
    }
}

impl SocketPermit {
    /// Counts the socket to this user, within the user's limit.
    pub(crate) fn sign_in(&mut self, user: &UserId, settings: &SocketSettings) -> Result<(), LimitReached> {
        let mut table = self.limiter.lock();
        let of_user = table.signed_in.entry(user.clone()).or_default();
        if of_user.sockets >= settings.max_per_user {
            return Err(LimitReached::User);
        }
        of_user.sockets += 1;
        self.user = Some(user.clone());
        Ok(())
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        let mut table = self.limiter.lock();
        table.admitted -= 1;
        if let Some(user) = &self.user
            && let Some(of_user) = table.signed_in.get_mut(user)
        {
            of_user.sockets -= 1;
            if of_user.sockets == 0 {
                table.signed_in.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_sockets: usize, max_per_user: usize, max_pending_per_address: usize) -> SocketSettings {
        SocketSettings { max_sockets, max_per_user, max_pending_per_address, ..SocketSettings::default() }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn sign_in(pending: PendingSocket, name: &str, settings: &SocketSettings) -> Result<SocketPermit, LimitReached> {
        let mut permit = pending.into_permit()?;
        permit.sign_in(&user(name), settings).map(|()| permit)
    }

    #[test]
    fn the_oldest_silent_socket_of_an_address_makes_room() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(100, 100, 2));
        let mut first = limiter.admit(Some(address(1)), &settings).unwrap();
        let mut elsewhere = limiter.admit(Some(address(2)), &settings).unwrap();
        let mut second = limiter.admit(Some(address(1)), &settings).unwrap();
        let third = limiter.admit(Some(address(1)), &settings).unwrap();
        assert!(first.evicted.try_recv().is_ok() && elsewhere.evicted.try_recv().is_err());
        assert_eq!(first.into_permit().unwrap_err(), LimitReached::Server);
        drop(third);
        let _fourth = limiter.admit(Some(address(1)), &settings).unwrap();
        assert!(second.evicted.try_recv().is_err());
    }

    #[test]
    fn signed_in_sockets_never_make_room() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(2, 100, 100));
        let ann = sign_in(limiter.admit(Some(address(1)), &settings).unwrap(), "ann", &settings).unwrap();
        let mut silent = limiter.admit(Some(address(2)), &settings).unwrap();
        let bob = sign_in(limiter.admit(Some(address(1)), &settings).unwrap(), "bob", &settings).unwrap();
        assert!(silent.evicted.try_recv().is_ok());
        assert_eq!(limiter.admit(Some(address(3)), &settings).unwrap_err(), LimitReached::Server);
        drop(ann);
        limiter.admit(Some(address(3)), &settings).unwrap();
        drop((bob, silent));
        let table = limiter.lock();
        assert!(table.pending.is_empty() && table.by_network.is_empty() && table.signed_in.is_empty());
    }

    #[test]
    fn nor_do_those_whose_token_is_being_checked() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(2, 100, 1));
        let slow = limiter.admit(Some(address(1)), &settings).unwrap().into_permit().unwrap();
        let mut silent = limiter.admit(Some(address(1)), &settings).unwrap();
        let other = limiter.admit(Some(address(2)), &settings).unwrap().into_permit().unwrap();
        assert!(silent.evicted.try_recv().is_ok());
        assert_eq!(limiter.admit(Some(address(3)), &settings).unwrap_err(), LimitReached::Server);
        drop((slow, other, silent));
        let table = limiter.lock();
        assert!(table.pending.is_empty() && table.by_network.is_empty() && table.admitted == 0);
    }

    #[test]
    fn a_user_has_so_many_and_no_more() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(100, 2, 100));
        let sign_in = |name| sign_in(limiter.admit(Some(address(1)), &settings).unwrap(), name, &settings);
        let (first, _second) = (sign_in("ann").unwrap(), sign_in("ann").unwrap());
        assert_eq!(sign_in("ann").unwrap_err(), LimitReached::User);
        sign_in("bob").unwrap();
        drop(first);
        sign_in("ann").unwrap();
    }

    #[test]
    fn requests_are_remembered_of_users_with_sockets_only() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(100, 100, 100));
        let [ann, bob] = ["ann", "bob"].map(user);
        let permit = sign_in(limiter.admit(Some(address(1)), &settings).unwrap(), "ann", &settings).unwrap();
        let then = Instant::now();
        let later = then + std::time::Duration::from_secs(1);
        for (user, now) in [(&bob, then), (&ann, later), (&ann, then)] {
            limiter.note_request(user, now);
        }
        assert_eq!((limiter.last_request(&ann), limiter.last_request(&bob)), (Some(later), None));
        drop(permit);
        assert_eq!(limiter.last_request(&ann), None);
        assert!(limiter.lock().signed_in.is_empty());
    }

    #[test]
    fn one_customers_network_is_one_source() {
        let of = |text: &str| Network::of(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
