//! A cell's place in the document.

use std::cmp::Ordering;
use std::sync::Arc;

use super::index::Slot;
use crate::{CellId, OrderKey};

/// A cell's place in the document: order key, then id.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The order key's first bytes, which decide nearly every comparison without a look at the key itself.
    prefix: u64,
    pub(super) slot: Slot,
    key: Arc<(OrderKey, CellId)>,
}

impl Place {
    pub(super) fn new(slot: Slot, order: &OrderKey, id: &CellId) -> Self {
        let mut prefix = [0; 8]; // padding sorts before every byte that a key can hold
        for (to, from) in prefix.iter_mut().zip(order.as_str().bytes()) {
            *to = from;
        }
        Self { prefix: u64::from_be_bytes(prefix), slot, key: Arc::new((order.clone(), id.clone())) }
    }

    pub(super) fn order(&self) -> &OrderKey {
        &self.key.0
    }

    pub(super) fn id(&self) -> &CellId {
        &self.key.1
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix
            .cmp(&other.prefix)
            .then_with(|| if Arc::ptr_eq(&self.key, &other.key) { Ordering::Equal } else { self.key.cmp(&other.key) })
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}
