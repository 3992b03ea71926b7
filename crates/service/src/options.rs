//! The options of a service.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::SecretKeys;
use quire_execution::KernelProvider;
use quire_storage::KernelLeases;

use crate::{Budgets, Clock, IdSource, Quota, RandomIds, SystemClock};

/// The options of a service; the defaults suit one server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The source of ids.
    pub ids: Arc<dyn IdSource>,
    /// The limits of running and waiting heavy work and store calls, in all and for each user.
    pub budgets: Budgets,
    /// Time after which a notebook without requests and watchers leaves memory.
    pub idle: Duration,
    /// Maximum bytes of memory of all notebooks, as estimated; beyond it, the least recently used ones are evicted. One notebook
    /// may take half.
    pub memory_bytes: usize,
    /// The keys for sealing connection strings. Without keys, sealed strings are shown as unavailable, and new ones are refused
    /// unless `plain_connections` is `true`.
    pub keys: Option<Arc<SecretKeys>>,
    /// `true` if the store may contain unsealed connection strings, for example in files that only their owner can read. Such
    /// strings are used, and without a key new ones are stored unsealed.
    pub plain_connections: bool,
    /// The quota of each user.
    pub quota: Quota,
    /// `true` if every change of a notebook is refused, and new users get no first notebooks.
    pub read_only: bool,
    /// The source of kernels; `None` if no cell may be executed.
    pub kernels: Option<Arc<dyn KernelProvider>>,
    /// The leases of kernels, where several servers share the store; `None` for one server, which needs none.
    pub kernel_leases: Option<Arc<dyn KernelLeases>>,
    /// Maximum time of one execution of a cell; `None` for no limit.
    pub cell_timeout: Option<Duration>,
    /// Time after which a kernel that executes nothing is ended.
    pub kernel_idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(RandomIds),
            budgets: Budgets::default(),
            idle: Duration::from_mins(5),
            memory_bytes: 512 * 1024 * 1024,
            keys: None,
            plain_connections: false,
            quota: Quota::default(),
            read_only: false,
            kernels: None,
            kernel_leases: None,
            cell_timeout: None,
            kernel_idle: Duration::from_hours(1),
        }
    }
}
