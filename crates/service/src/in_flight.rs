//! Mutual exclusion of requests with the same idempotency key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::UserId;
use quire_storage::IdempotencyKey;
use tokio::sync::watch;

/// The requests in flight that have a key.
#[derive(Debug, Default)]
pub(crate) struct InFlightKeys(Mutex<HashMap<KeyOfUser, watch::Receiver<()>>>);

/// The key of a request, and its user.
pub(crate) type KeyOfUser = (UserId, IdempotencyKey);

/// Guard of a request in flight. The next request with its key begins when the guard is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    in_flight: Arc<InFlightKeys>,
    key: KeyOfUser,
    /// Closes when this is dropped, after the key has been removed.
    _ended: watch::Sender<()>,
}

impl InFlightKeys {
    /// Waits until no other request with this key is in flight.
    pub(crate) async fn enter(self: &Arc<Self>, key: KeyOfUser) -> InFlightGuard {
        loop {
            let mut other = {
                let mut requests = self.requests();
                let Some(other) = requests.get(&key) else {
                    let (ended, is_ended) = watch::channel(());
                    requests.insert(key.clone(), is_ended);
                    return InFlightGuard { in_flight: Arc::clone(self), key, _ended: ended };
                };
                other.clone()
            };
            while other.changed().await.is_ok() {}
        }
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<KeyOfUser, watch::Receiver<()>>> {
        // The map is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight.requests().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_free_again_however_its_request_ends() {
        let in_flight = Arc::new(InFlightKeys::default());
        let key = || (UserId::new("ann").unwrap(), IdempotencyKey([1; 32]));
        let entered = in_flight.enter(key()).await;
        let next = tokio::spawn({
            let in_flight = Arc::clone(&in_flight);
            async move { drop(in_flight.enter(key()).await) }
        });
        let panicking = tokio::spawn(async move {
            let _entered = entered;
            panic!("as a test wants it");
        });
        assert!(panicking.await.unwrap_err().is_panic());
        next.await.unwrap();
        assert!(in_flight.requests().is_empty());
    }
}
