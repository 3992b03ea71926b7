//! Edits of code that are in flight, for runs that must wait for them.
//!
//! The browser client asks for a run without waiting for its last edit, over another connection. Whoever sees the text expects that
//! text to run.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::timeout;
use parking_lot::Mutex;
use quire_domain::UserId;
use tokio::sync::watch;

/// Maximum time for which a run waits: an edit whose body comes slowly delays it no longer.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The edits of each user that are in flight.
#[derive(Debug, Default)]
pub(crate) struct EditsInFlight {
    by_user: Mutex<HashMap<UserId, Edits>>,
}

#[derive(Debug, Default)]
struct Edits {
    next: u64,
    in_flight: BTreeSet<u64>,
    /// The signal that an edit has ended.
    news: watch::Sender<()>,
}

/// An edit in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct EditInFlight {
    edits: Arc<EditsInFlight>,
    user: UserId,
    number: u64,
}

impl EditsInFlight {
    /// Begins an edit.
    pub(crate) fn begin(self: &Arc<Self>, user: &UserId) -> EditInFlight {
        let mut by_user = self.by_user.lock();
        let edits = by_user.entry(user.clone()).or_default();
        let number = edits.next;
        edits.next += 1;
        edits.in_flight.insert(number);
        EditInFlight { edits: Arc::clone(self), user: user.clone(), number }
    }

    /// Waits until the user's edits that are in flight now have ended.
    pub(crate) async fn ended(&self, user: &UserId) {
        let (last, mut news) = match self.by_user.lock().get(user) {
            Some(edits) => (edits.next, edits.news.subscribe()),
            None => return,
        };
        let is_in_flight = || {
            let by_user = self.by_user.lock();
            by_user.get(user).and_then(|edits| edits.in_flight.first()).is_some_and(|first| *first < last)
        };
        let ended = async {
            // The sender is gone with the last edit.
            while is_in_flight() && news.changed().await.is_ok() {}
        };
        let _ = timeout(MAX_WAIT, ended).await; // what has arrived by then runs
    }
}

impl Drop for EditInFlight {
    fn drop(&mut self) {
        let mut by_user = self.edits.by_user.lock();
        let Some(edits) = by_user.get_mut(&self.user) else { return };
        edits.in_flight.remove(&self.number);
        edits.news.send_replace(());
        if edits.in_flight.is_empty() {
            by_user.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_run_waits_for_the_edits_before_it_and_for_no_later_one() {
        let edits = Arc::new(EditsInFlight::default());
        let user = UserId::new("ann").unwrap();
        edits.ended(&user).await;
        let (first, second) = (edits.begin(&user), edits.begin(&user));
        let waiting = edits.ended(&user);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let _later = edits.begin(&user);
        drop(second);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(first);
        assert!(futures_util::poll!(&mut waiting).is_ready());
    }
}
