//! Fair access to the store: users take turns, so that one user never has all of a database's connections.

use std::ops::Deref;
use std::sync::Arc;

use quire_domain::UserId;
use quire_storage::{Health, NotebookStore, StoreEvent};
use tokio::sync::broadcast;

use super::{Kind, Lane, Lanes, Permit};
use crate::ServiceError;

/// The store of a service. Calls are made on behalf of a user, each with a [`StoreAccess`].
#[derive(Debug)]
pub(crate) struct Store {
    inner: Arc<dyn NotebookStore>,
    calls: Arc<Lane>,
    slow_calls: Arc<Lane>,
}

/// Permit for one store call at a time.
#[derive(Debug)]
pub(crate) struct StoreAccess<'a> {
    store: &'a dyn NotebookStore,
    _permits: (Option<Permit>, Permit),
}

impl Deref for StoreAccess<'_> {
    type Target = dyn NotebookStore;

    fn deref(&self) -> &Self::Target {
        self.store
    }
}

impl Store {
    pub(crate) fn new(inner: Arc<dyn NotebookStore>, lanes: &Lanes) -> Self {
        let lane = |kind| Arc::clone(lanes.of(kind));
        Self { inner, calls: lane(Kind::StoreCall), slow_calls: lane(Kind::SlowStoreCall) }
    }

    /// Waits for a turn to make a short call.
    ///
    /// # Errors
    /// Returns an error if too many calls wait.
    pub(crate) async fn short(&self, user: &UserId) -> Result<StoreAccess<'_>, ServiceError> {
        Ok(StoreAccess { store: &*self.inner, _permits: (None, self.calls.enter(user, 1).await?) })
    }

    /// Waits for a turn to make a call that reads or writes much data.
    ///
    /// # Errors
    /// Returns an error if too many calls wait.
    pub(crate) async fn slow(&self, user: &UserId) -> Result<StoreAccess<'_>, ServiceError> {
        let slow = self.slow_calls.enter(user, 1).await?;
        Ok(StoreAccess { store: &*self.inner, _permits: (Some(slow), self.calls.enter(user, 1).await?) })
    }

    /// Waits for a turn to make a call of the owner's writer task, which makes one at a time. Such a call is never refused.
    pub(crate) async fn for_writer(&self, owner: &UserId) -> StoreAccess<'_> {
        StoreAccess { store: &*self.inner, _permits: (None, self.calls.enter_always(owner, 1).await) }
    }

    /// Waits for a turn to make a call that serves many users at once. Such a call goes before those of users, and is never
    /// refused.
    pub(crate) async fn for_service(&self) -> StoreAccess<'_> {
        StoreAccess { store: &*self.inner, _permits: (None, self.calls.enter_first().await) }
    }

    /// Does the same as [`quire_storage::NotebookQueries::is_shared`].
    pub(crate) fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    /// Does the same as [`quire_storage::NotebookQueries::health`], without a turn, because the store replies at once.
    pub(crate) async fn health(&self) -> Health {
        self.inner.health().await
    }

    /// Does the same as [`quire_storage::NotebookQueries::subscribe`].
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.inner.subscribe()
    }
}
