//! The options of a service.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::SecretKeys;

use crate::{Budgets, Clock, IdSource, Quota, RandomIds, SystemClock};

/// The options of a service; the defaults suit one server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The source of ids.
    pub ids: Arc<dyn IdSource>,
    /// The limits of heavy work and store calls that run and wait, in all and for each user.
    pub budgets: Budgets,
    /// A notebook that nobody has asked for in such a time, and nobody watches, leaves memory.
    pub idle: Duration,
    /// Bytes of memory that notebooks may take together, as estimated, before those unused for longest leave it. One alone
    /// may take half.
    pub memory_bytes: usize,
    /// The keys that connection strings are sealed with. Without them, none is accepted, unless `plain_connections` says otherwise,
    /// and sealed ones are shown as unavailable.
    pub keys: Option<Arc<SecretKeys>>,
    /// `true` when the store may hold connection strings that are not sealed, as files that only their owner can read may: they
    /// are used as they are, and without a key they are also stored so.
    pub plain_connections: bool,
    /// The maximum that a user may keep.
    pub quota: Quota,
    /// `true` when everything that would change a notebook is refused, and nobody is given their first two.
    pub read_only: bool,
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
        }
    }
}
