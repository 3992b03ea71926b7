//! The context that the use cases and the writer tasks of a service share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quire_domain::{CellId, Life, NotebookId, Timestamp};
use quire_storage::CommitId;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::analyser::Analyser;
use crate::connection::Sealing;
use crate::event::Seq;
use crate::lookups::Lookups;
use crate::memory::Memory;
use crate::quota::Quotas;
use crate::registry::Registry;
use crate::run::Runs;
use crate::work::{Lanes, Store};
use crate::{Clock, IdSource, ServiceError};

/// The parts of a service that use cases and writer tasks share.
#[derive(Debug)]
pub(crate) struct ServiceContext {
    pub(crate) store: Store,
    pub(crate) sources: Sources,
    pub(crate) limits: Limits,
    pub(crate) analyser: Analyser,
    pub(crate) sealing: Sealing,
    pub(crate) registry: Arc<Registry>,
    pub(crate) lookups: Lookups,
    pub(crate) runs: Runs,
    /// The runtime of writer tasks: the service's, because a caller's runtime may end earlier.
    pub(crate) runtime: Handle,
}

/// The limits of work, memory and storage.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) quotas: Quotas,
    /// Time after which a notebook without requests and watchers leaves memory.
    pub(crate) idle: Duration,
    /// Maximum time of one execution of a cell.
    pub(crate) cell_timeout: Option<Duration>,
    /// Time after which a kernel that executes nothing is ended.
    pub(crate) kernel_idle: Duration,
}

/// The sources of times, ids and the numbers of events.
#[derive(Debug)]
pub(crate) struct Sources {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// The instance's part of event numbers.
    epoch: Uuid,
    /// The number of the last event of any notebook.
    events: AtomicU64,
}

impl Sources {
    pub(crate) fn new(clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        let epoch = ids.next_id();
        Self { clock, ids, epoch, events: AtomicU64::new(0) }
    }

    /// Returns the current time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a fresh notebook id.
    pub(crate) fn notebook_id(&self) -> Result<NotebookId, ServiceError> {
        Ok(NotebookId::new(self.ids.next_id().to_string())?)
    }

    /// Returns a fresh cell id.
    pub(crate) fn cell_id(&self) -> Result<CellId, ServiceError> {
        Ok(CellId::new(self.ids.next_id().to_string())?)
    }

    /// Returns a fresh id of a run.
    pub(crate) fn run_id(&self) -> Uuid {
        self.ids.next_id()
    }

    /// Returns a fresh life, for a new notebook.
    pub(crate) fn life(&self) -> Life {
        Life::new(self.ids.next_id())
    }

    /// Returns a fresh commit id.
    pub(crate) fn commit_id(&self) -> CommitId {
        CommitId(self.ids.next_id())
    }

    /// Returns the number of the next event.
    pub(crate) fn next_seq(&self) -> Seq {
        Seq { epoch: self.epoch, number: self.events.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}
