//! Fair scheduling of heavy work and store calls: each kind of work has its own lane with its own budget, so that kinds do
//! not wait for each other. Within a lane, users take turns by the cost of their work.
//!
//! Work that needs a processor runs on threads that serve neither connections nor writer tasks. To avoid a deadlock,
//! permits are acquired in the order of [`Kind`]: a caller that holds one acquires later kinds only.

mod budgets;
mod fair_queue;
mod lane;
mod store;

use std::sync::Arc;

pub use budgets::{Budget, Budgets, Kind};
pub(crate) use lane::{Lane, Permit};
pub(crate) use store::Store;
use tokio::runtime::Handle;

#[cfg(test)]
mod tests;

/// The lanes of a service.
#[derive(Debug)]
pub(crate) struct Lanes([Arc<Lane>; Kind::ALL.len()]);

impl Lanes {
    pub(crate) fn new(budgets: &Budgets, runtime: &Handle) -> Self {
        Self(Kind::ALL.map(|kind| Arc::new(Lane::new(kind, budgets[kind], runtime.clone()))))
    }

    pub(crate) fn of(&self, kind: Kind) -> &Arc<Lane> {
        &self.0[kind as usize]
    }

    /// Refuses waiting and further work, except the work that edits need.
    pub(crate) fn close(&self) {
        for kind in Kind::ALL {
            self.of(kind).close();
        }
    }
}
