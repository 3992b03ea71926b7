//! Memory of published states that long answers are written from.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::ServiceError;
use crate::context::ServiceContext;
use crate::memory::{self, Charge};
use crate::published::Published;

/// The memory of a published state, accounted to the notebook's owner until this is dropped. An answer that is written
/// while its client reads keeps the state, although the notebook may be edited or evicted meanwhile, which ends the writer
/// task's own account of it.
#[derive(Debug)]
pub struct PinnedMemory {
    _charge: Arc<Charge>,
}

/// The charge that all pins of one state share, if there are any.
#[derive(Debug, Default)]
pub(crate) struct PinnedCharge(Mutex<Weak<Charge>>);

impl PinnedCharge {
    /// Pins the state that this belongs to. The first pin is charged beside what the writer task has charged for the
    /// notebook, since nothing tells how long each of the two will last; all further ones share it.
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
