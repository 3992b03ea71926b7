//! Memory of published states from which long responses are being written.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::ServiceError;
use crate::context::ServiceContext;
use crate::memory::{self, Charge};
use crate::published::Published;

/// Memory of a published state, accounted to the notebook's owner until the pin is dropped. A response that is being written
/// keeps the state, while an edit or an eviction of the notebook may end the writer task's own charge for it.
#[derive(Debug)]
pub struct PinnedMemory {
    _charge: Arc<Charge>,
}

/// The charge that all pins of one state share; absent without pins.
#[derive(Debug, Default)]
pub(crate) struct PinnedCharge(Mutex<Weak<Charge>>);

impl PinnedCharge {
    /// Pins the state of this charge. The first pin is charged in addition to the writer task's charge, because either may end
    /// first. All further pins share its charge.
    pub(crate) async fn pin(
        &self,
        published: &Published,
        shared: &ServiceContext,
    ) -> Result<PinnedMemory, ServiceError> {
        let mut pinned = self.0.lock().await;
        if let Some(charge) = pinned.upgrade() {
            return Ok(PinnedMemory { _charge: charge });
        }
        let charge = memory::charge(shared, &published.notebook.owner, published.cell_bytes()).await?;
        let charge = Arc::new(charge);
        *pinned = Arc::downgrade(&charge);
        Ok(PinnedMemory { _charge: charge })
    }
}
