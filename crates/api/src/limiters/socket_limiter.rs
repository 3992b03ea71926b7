//! How many sockets there may be. Whoever has not shown a token yet has no claim to a place: the oldest of them makes room,
//! so that any number of silent sockets keeps nobody out, not even from the same address, as behind a proxy.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use quire_domain::UserId;
use tokio::sync::oneshot;

use crate::connection::client_address::Network;
use crate::settings::SocketSettings;

/// The places for sockets.
#[derive(Debug, Default)]
pub(crate) struct SocketLimiter {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Those that have not shown a token, in the order in which they came.
    waiting: std::collections::BTreeMap<u64, (Network, oneshot::Sender<()>)>,
    by_network: HashMap<Network, BTreeSet<u64>>,
    /// How many there are beside those.
    seated: usize,
    signed_in: HashMap<UserId, OfUser>,
    next: u64,
}

/// The sockets of one user who has signed in; forgotten with the last of them.
#[derive(Debug, Default)]
struct OfUser {
    sockets: usize,
    /// When the user last made a signed-in HTTP request while one of these was open.
    last_request: Option<Instant>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are as many sockets as there may be.
    Server,
    /// The user has as many as they may have.
    User,
}

/// The place of a socket that has not shown a token; `evicted` ends with a message when it must go.
#[derive(Debug)]
pub(crate) struct PendingSocket {
    limiter: Arc<SocketLimiter>,
    ticket: u64,
    pub(crate) evicted: oneshot::Receiver<()>,
}

/// The place of a socket that has shown a token: no other takes it.
#[derive(Debug)]
pub(crate) struct SocketPermit {
    limiter: Arc<SocketLimiter>,
    /// Whose it is, once the token has been checked.
    user: Option<UserId>,
}

impl SocketLimiter {
    /// A place for a socket that is about to sign in.
    pub(crate) fn wait(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        settings: &SocketSettings,
    ) -> Result<PendingSocket, Full> {
        let network = Network::of(address);
        let mut taken = self.lock();
        if taken
            .by_network
            .get(&network)
            .is_some_and(|of_network| of_network.len() >= settings.most_waiting_per_address)
        {
            let oldest = taken.by_network.get(&network).and_then(BTreeSet::first).copied();
            taken.evict(oldest);
        }
        if taken.waiting.len() + taken.seated >= settings.most {
            let oldest = taken.waiting.keys().next().copied();
            if oldest.is_none() {
                return Err(Full::Server);
            }
            taken.evict(oldest);
        }
        let ticket = taken.next;
        taken.next += 1;
        let (evict, evicted) = oneshot::channel();
        taken.waiting.insert(ticket, (network, evict));
        taken.by_network.entry(network).or_default().insert(ticket);
        Ok(PendingSocket { limiter: Arc::clone(self), ticket, evicted })
    }

    /// Notes that the user makes a signed-in HTTP request. Of users without sockets nothing is remembered, so this holds no
    /// more than there are sockets.
    pub(crate) fn note_request(&self, user: &UserId, now: Instant) {
        if let Some(of_user) = self.lock().signed_in.get_mut(user) {
            of_user.last_request = of_user.last_request.max(Some(now));
        }
    }

    /// When the user last made a signed-in HTTP request, as far as one of the user's sockets was open then.
    pub(crate) fn last_request(&self, user: &UserId) -> Option<Instant> {
        self.lock().signed_in.get(user)?.last_request
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // The counts agree between any two calls, and nothing in between can panic.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn evict(&mut self, ticket: Option<u64>) {
        if let Some(evict) = ticket.and_then(|ticket| self.remove(ticket)) {
            let _ = evict.send(()); // it may be ending by itself
        }
    }

    fn remove(&mut self, ticket: u64) -> Option<oneshot::Sender<()>> {
        let (network, evict) = self.waiting.remove(&ticket)?;
        if let Some(of_network) = self.by_network.get_mut(&network) {
            of_network.remove(&ticket);
            if of_network.is_empty() {
                self.by_network.remove(&network);
            }
        }
        Some(evict)
    }
}

impl PendingSocket {
    /// A place for good, in exchange for this one. Checking a token may take a while, which is not the client's fault.
    pub(crate) fn show_token(self) -> Result<SocketPermit, Full> {
        let mut taken = self.limiter.lock();
        if taken.remove(self.ticket).is_none() {
            return Err(Full::Server); // evicted just now
        }
        taken.seated += 1;
        drop(taken);
        Ok(SocketPermit { limiter: Arc::clone(&self.limiter), user: None })
    }
}

impl Drop for PendingSocket {
    fn drop(&mut self) {
        self.limiter.lock().remove(self.ticket);
    }
}

impl SocketPermit {
    /// Makes it this user's.
    pub(crate) fn sign_in(&mut self, user: &UserId, settings: &SocketSettings) -> Result<(), Full> {
        let mut taken = self.limiter.lock();
        let of_user = taken.signed_in.entry(user.clone()).or_default();
        if of_user.sockets >= settings.most_per_user {
            return Err(Full::User);
        }
        of_user.sockets += 1;
        self.user = Some(user.clone());
        Ok(())
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        let mut taken = self.limiter.lock();
        taken.seated -= 1;
        if let Some(user) = &self.user
            && let Some(of_user) = taken.signed_in.get_mut(user)
        {
            of_user.sockets -= 1;
            if of_user.sockets == 0 {
                taken.signed_in.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(most: usize, most_per_user: usize, most_waiting_per_address: usize) -> SocketSettings {
        SocketSettings { most, most_per_user, most_waiting_per_address, ..SocketSettings::default() }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn sign_in(waiting: PendingSocket, name: &str, settings: &SocketSettings) -> Result<SocketPermit, Full> {
        let mut permit = waiting.show_token()?;
        permit.sign_in(&user(name), settings).map(|()| permit)
    }

    #[test]
    fn the_oldest_silent_socket_of_an_address_makes_room() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(100, 100, 2));
        let mut first = limiter.wait(Some(address(1)), &settings).unwrap();
        let mut elsewhere = limiter.wait(Some(address(2)), &settings).unwrap();
        let mut second = limiter.wait(Some(address(1)), &settings).unwrap();
        let third = limiter.wait(Some(address(1)), &settings).unwrap();
        assert!(first.evicted.try_recv().is_ok() && elsewhere.evicted.try_recv().is_err());
        assert_eq!(first.show_token().unwrap_err(), Full::Server);
        drop(third);
        let _fourth = limiter.wait(Some(address(1)), &settings).unwrap();
        assert!(second.evicted.try_recv().is_err());
    }

    #[test]
    fn signed_in_sockets_never_make_room() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(2, 100, 100));
        let ann = sign_in(limiter.wait(Some(address(1)), &settings).unwrap(), "ann", &settings).unwrap();
        let mut silent = limiter.wait(Some(address(2)), &settings).unwrap();
        let bob = sign_in(limiter.wait(Some(address(1)), &settings).unwrap(), "bob", &settings).unwrap();
        assert!(silent.evicted.try_recv().is_ok());
        assert_eq!(limiter.wait(Some(address(3)), &settings).unwrap_err(), Full::Server);
        drop(ann);
        limiter.wait(Some(address(3)), &settings).unwrap();
        drop((bob, silent));
        let taken = limiter.lock();
        assert!(taken.waiting.is_empty() && taken.by_network.is_empty() && taken.signed_in.is_empty());
    }

    #[test]
    fn nor_do_those_whose_token_is_being_checked() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(2, 100, 1));
        let slow = limiter.wait(Some(address(1)), &settings).unwrap().show_token().unwrap();
        let mut silent = limiter.wait(Some(address(1)), &settings).unwrap();
        let other = limiter.wait(Some(address(2)), &settings).unwrap().show_token().unwrap();
        assert!(silent.evicted.try_recv().is_ok());
        assert_eq!(limiter.wait(Some(address(3)), &settings).unwrap_err(), Full::Server);
        drop((slow, other, silent));
        let taken = limiter.lock();
        assert!(taken.waiting.is_empty() && taken.by_network.is_empty() && taken.seated == 0);
    }

    #[test]
    fn a_user_has_so_many_and_no_more() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(100, 2, 100));
        let sign_in = |name| sign_in(limiter.wait(Some(address(1)), &settings).unwrap(), name, &settings);
        let (first, _second) = (sign_in("ann").unwrap(), sign_in("ann").unwrap());
        assert_eq!(sign_in("ann").unwrap_err(), Full::User);
        sign_in("bob").unwrap();
        drop(first);
        sign_in("ann").unwrap();
    }

    #[test]
    fn requests_are_remembered_of_users_with_sockets_only() {
        let (limiter, settings) = (Arc::new(SocketLimiter::default()), settings(100, 100, 100));
        let [ann, bob] = ["ann", "bob"].map(user);
        let permit = sign_in(limiter.wait(Some(address(1)), &settings).unwrap(), "ann", &settings).unwrap();
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
