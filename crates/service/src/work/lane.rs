//! A lane: work of one kind, waiting for its turn.

use std::fmt::{self, Debug, Formatter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::UserId;
use quire_storage::StoreError;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::budgets::{Budget, Kind};
use super::fair_queue::{Claim, FairQueue, QueueFull};
use crate::ServiceError;

/// The user whose work it is; the service's own where there is none.
type Payer = Option<UserId>;

/// The lane of one kind of work.
pub(crate) struct Lane {
    kind: Kind,
    budget: Budget,
    queue: Mutex<FairQueue<Payer, oneshot::Sender<Permit>>>,
    closed: AtomicBool,
    /// The runtime of blocking work: the service's, whoever asks.
    runtime: Handle,
}

impl Debug for Lane {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The right to do one piece of work; dropping it lets the next begin.
#[derive(Debug)]
pub(crate) struct Permit {
    /// Absent where nothing is to be given back.
    lane: Option<Arc<Lane>>,
    payer: Payer,
}

/// Work that waits in a lane; dropping this takes it out.
struct QueueEntry<'a> {
    lane: &'a Arc<Lane>,
    payer: &'a Payer,
    number: u64,
}

impl Lane {
    pub(super) fn new(kind: Kind, budget: Budget, runtime: Handle) -> Self {
        Self { kind, budget, queue: Mutex::new(FairQueue::new(budget)), closed: AtomicBool::new(false), runtime }
    }

    /// Waits until it is the turn of work of this user. Cancel safe: who goes away leaves the queue.
    ///
    /// # Errors
    /// When the work goes beyond the budget, or the service is closing.
    pub(crate) async fn enter(self: &Arc<Self>, user: &UserId, cost: u64) -> Result<Permit, ServiceError> {
        if cost > self.max_cost() {
            return Err(self.too_costly(cost));
        }
        self.turn(Some(user.clone()), cost, Claim::Bounded).await
    }

    /// The maximum cost of one piece of work, in bytes.
    pub(crate) fn max_cost(&self) -> u64 {
        self.budget.max_cost
    }

    /// The refusal of a piece of work that would cost at least so much.
    pub(crate) fn too_costly(&self, cost: u64) -> ServiceError {
        ServiceError::TooCostly { what: self.kind.name(), cost, max_cost: self.max_cost() }
    }

    /// As [`Self::enter`], for work that an edit depends on, of which each writer task has one piece at a time: it is
    /// never refused.
    pub(crate) async fn enter_always(self: &Arc<Self>, user: &UserId, cost: u64) -> Permit {
        self.unrefused(Some(user.clone()), cost, Claim::Always).await
    }

    /// As [`Self::enter`], for the service's own work that finds out whether the lane moves, or that many users wait for.
    pub(crate) async fn enter_first(self: &Arc<Self>) -> Permit {
        self.unrefused(None, 0, Claim::First).await
    }

    async fn unrefused(self: &Arc<Self>, payer: Payer, cost: u64, claim: Claim) -> Permit {
        let turn = self.turn(payer.clone(), cost, claim).await;
        turn.unwrap_or(Permit { lane: None, payer })
    }

    async fn turn(self: &Arc<Self>, payer: Payer, cost: u64, claim: Claim) -> Result<Permit, ServiceError> {
        let (granted, number) = {
            let mut queue = self.lock();
            // Under the lock, so that nothing comes to wait after the lane was closed.
            if claim == Claim::Bounded && self.closed.load(Ordering::Relaxed) {
                return Err(ServiceError::Closing);
            }
            if queue.try_start(&payer, cost) {
                return Ok(Permit { lane: Some(Arc::clone(self)), payer });
            }
            let (grant, granted) = oneshot::channel();
            let number = queue.wait(&payer, cost, claim, grant).map_err(|full| self.refusal(full))?;
            (granted, number)
        };
        let entry = QueueEntry { lane: self, payer: &payer, number };
        self.start_waiting();
        let permit = granted.await;
        drop(entry);
        permit.map_err(|_closed| ServiceError::Closing)
    }

    fn refusal(&self, full: QueueFull) -> ServiceError {
        let what = self.kind.name();
        match full {
            QueueFull::ForUser => ServiceError::TooMuchAtOnce { what, waiting: self.budget.waiting_per_user },
            QueueFull::ForAll => ServiceError::Busy { what },
        }
    }

    /// Starts what may start.
    fn start_waiting(self: &Arc<Self>) {
        loop {
            let Some((payer, waiter)) = self.lock().next() else { return };
            if let Err(mut unwanted) = waiter.send(Permit { lane: Some(Arc::clone(self)), payer }) {
                // Its waiter went away in this moment. Given back here, since dropping it would come back to this place.
                unwanted.lane = None;
                self.lock().finish(&unwanted.payer);
            }
        }
    }

    /// Refuses what waits and what still comes, except the work that edits depend on: those that are queued are stored
    /// before the service ends.
    pub(super) fn close(&self) {
        if self.kind.serves_edits() {
            return;
        }
        let refused = {
            let mut queue = self.lock();
            self.closed.store(true, Ordering::Relaxed);
            queue.take_bounded()
        };
        drop(refused);
    }

    /// The number of pieces of work that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting()
    }

    fn lock(&self) -> MutexGuard<'_, FairQueue<Payer, oneshot::Sender<Permit>>> {
        // No code of others runs under the lock, so nothing in the queue is left half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Counts a cost that was not known when the permit was given: later work of the user waits for longer.
    pub(crate) fn charge(&self, cost: u64) {
        if let Some(lane) = &self.lane {
            lane.lock().charge(&self.payer, cost);
        }
    }

    /// Does blocking work on a thread of its own. The work goes on when the returned future is dropped, and holds the
    /// permit to its end.
    ///
    /// # Errors
    /// When the work panics; `action` says what could not be done.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        self,
        action: impl FnOnce() -> String,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(runtime) = self.lane.as_ref().map(|lane| lane.runtime.clone()) else { return Ok(work()) };
        let done = runtime.spawn_blocking(move || {
            let done = work();
            drop(self);
            done
        });
        done.await.map_err(|lost| StoreError::Backend { action: action(), source: lost.into() })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.lock().finish(&self.payer);
            lane.start_waiting();
        }
    }
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        self.lane.lock().cancel(self.payer, self.number);
    }
}
