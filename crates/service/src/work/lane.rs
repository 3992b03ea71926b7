//! A lane: the queue of one kind of work.

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

/// The user who is charged for the work; absent for work of the service.
type Payer = Option<UserId>;

/// The lane of one kind of work.
pub(crate) struct Lane {
    kind: Kind,
    budget: Budget,
    queue: Mutex<FairQueue<Payer, oneshot::Sender<Permit>>>,
    closed: AtomicBool,
    /// The runtime of blocking work, which is the service's.
    runtime: Handle,
}

impl Debug for Lane {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Permit for one piece of work. The next piece begins when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    /// The lane to which the permit returns; absent if it returns to none.
    lane: Option<Arc<Lane>>,
    payer: Payer,
}

/// Entry of waiting work in a lane, which leaves the queue when it is dropped.
struct QueueEntry<'a> {
    lane: &'a Arc<Lane>,
    payer: &'a Payer,
    number: u64,
}

impl Lane {
    pub(super) fn new(kind: Kind, budget: Budget, runtime: Handle) -> Self {
        Self { kind, budget, queue: Mutex::new(FairQueue::new(budget)), closed: AtomicBool::new(false), runtime }
    }

    /// Waits for the turn of work of this user. Cancel safe: a dropped future leaves the queue.
    ///
    /// # Errors
    /// Returns an error if the work exceeds the budget, or the service is closing.
    pub(crate) async fn enter(self: &Arc<Self>, user: &UserId, cost: u64) -> Result<Permit, ServiceError> {
        if cost > self.max_cost() {
            return Err(self.too_costly(cost));
        }
        self.turn(Some(user.clone()), cost, Claim::Bounded).await
    }

    /// Returns the maximum cost of one piece of work, in bytes.
    pub(crate) fn max_cost(&self) -> u64 {
        self.budget.max_cost
    }

    /// Returns the error for a piece of work that would cost at least so much.
    pub(crate) fn too_costly(&self, cost: u64) -> ServiceError {
        ServiceError::TooCostly { what: self.kind.name(), cost, max_cost: self.max_cost() }
    }

    /// Waits as [`Self::enter`] does, for work that an edit depends on. Each writer task has one such piece at a time, so it is
    /// never refused.
    pub(crate) async fn enter_always(self: &Arc<Self>, user: &UserId, cost: u64) -> Permit {
        self.unrefused(Some(user.clone()), cost, Claim::Always).await
    }

    /// Waits as [`Self::enter`] does, ahead of all users, for the service's own work: a probe of the lane, or work for many users.
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
            // This is checked under the lock, so that no work begins to wait after the lane was closed.
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

    /// Starts waiting work while there is room.
    fn start_waiting(self: &Arc<Self>) {
        loop {
            let Some((payer, waiter)) = self.lock().next() else { return };
            if let Err(mut unwanted) = waiter.send(Permit { lane: Some(Arc::clone(self)), payer }) {
                // The waiter was cancelled meanwhile. The permit is returned here, because its drop would recurse.
                unwanted.lane = None;
                self.lock().finish(&unwanted.payer);
            }
        }
    }

    /// Refuses waiting and further work, except the work that edits depend on, because queued edits are stored before the
    /// service ends.
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

    /// Returns the number of waiting pieces of work.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting()
    }

    fn lock(&self) -> MutexGuard<'_, FairQueue<Payer, oneshot::Sender<Permit>>> {
        // No foreign code runs under the lock, so a panic elsewhere leaves the queue intact.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Charges a cost that was unknown when the permit was granted, so that later work of the user waits longer.
    pub(crate) fn charge(&self, cost: u64) {
        if let Some(lane) = &self.lane {
            lane.lock().charge(&self.payer, cost);
        }
    }

    /// Runs blocking work on another thread. The work continues if the returned future is dropped, and holds the permit to its
    /// end.
    ///
    /// # Errors
    /// Returns an error, which names the `action`, if the work panics.
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
