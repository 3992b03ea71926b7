//! The service: the interface for an API, or for a program that embeds it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quire_domain::{NotebookId, UserId};
use quire_storage::{Health, NotebookStore, StoreEvent};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::analyser::Analyser;
use crate::command::Command;
use crate::connection::Sealing;
use crate::context::{Limits, ServiceContext, Sources};
use crate::following::follow_others;
use crate::idempotency::IdempotencyState;
use crate::lookups::Lookups;
use crate::memory::Memory;
use crate::probe::Probe;
use crate::quota::Quotas;
use crate::registry::Registry;
use crate::run::Runs;
use crate::work::{Lanes, Store};
use crate::{Options, ServiceError};

/// The use cases of notebooks, over one store. A clone is the same service. The example `embed` edits and watches with one.
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use std::sync::Arc;
///
/// use quire_domain::UserId;
/// use quire_service::{NotebookService, Options};
/// use quire_storage::PageRequest;
/// use quire_storage_json::JsonNotebookStore;
///
/// let folder = tempfile::tempdir()?;
/// let store = JsonNotebookStore::open(folder.path(), quire_storage_json::Options::default())?;
/// let service = NotebookService::new(Arc::new(store), Options::default())?;
/// let page = service.list(&UserId::new("ann")?, &PageRequest::default()).await?;
/// assert_eq!(page.notebooks.len(), 2, "every user has a blank notebook and a demo");
/// service.close().await;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NotebookService {
    pub(crate) shared: Arc<ServiceContext>,
    pub(crate) idempotency: Arc<IdempotencyState>,
    pub(crate) probe: Arc<Probe>,
    closing: Arc<AtomicBool>,
    pub(crate) read_only: bool,
}

impl NotebookService {
    /// Creates a service over this store. Must be called within a tokio runtime, which must live as long as the service.
    ///
    /// # Errors
    /// Returns an error if the operating system gives no threads for the analysis.
    pub fn new(store: Arc<dyn NotebookStore>, options: Options) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let lanes = Arc::new(Lanes::new(&options.budgets, &runtime));
        let store = Store::new(store, &lanes);
        let hints = store.subscribe();
        let shared = Arc::new(ServiceContext {
            store,
            sources: Sources::new(options.clock, options.ids),
            analyser: Analyser::new(&options.budgets, &lanes)?,
            limits: Limits {
                lanes,
                memory: Memory::new(options.memory_bytes),
                quotas: Quotas::new(options.quota),
                idle: options.idle,
                cell_timeout: options.cell_timeout,
                kernel_idle: options.kernel_idle,
            },
            sealing: Sealing { keys: options.keys, plain: options.plain_connections },
            registry: Arc::default(),
            lookups: Lookups::default(),
            runs: Runs::new(options.kernels, options.kernel_leases),
            runtime,
        });
        tokio::spawn(follow(Arc::clone(&shared.registry), hints));
        if shared.store.is_shared() {
            tokio::spawn(follow_others(Arc::downgrade(&shared)));
        }
        Ok(Self {
            shared,
            idempotency: Arc::default(),
            probe: Arc::default(),
            closing: Arc::default(),
            read_only: options.read_only,
        })
    }

    /// Resolves an id as a client wrote it: `blank` and `demo` are aliases of the user's own notebooks.
    ///
    /// # Errors
    /// Returns [`ServiceError::UnknownNotebook`] if no notebook can have such an id.
    pub fn resolve(&self, user: &UserId, text: &str) -> Result<NotebookId, ServiceError> {
        let id = match text {
            "blank" => NotebookId::blank_of(user),
            "demo" => NotebookId::demo_of(user),
            other => NotebookId::new(other),
        };
        id.map_err(|_invalid| ServiceError::UnknownNotebook(text.to_owned()))
    }

    /// Returns the health of the store. A notebook in memory can be read while the store is away. A read-only service takes no
    /// writes.
    pub async fn health(&self) -> Health {
        let health = self.shared.store.health().await;
        let reads = health.reads || self.shared.registry.has_active();
        Health { reads, writes: health.writes && !self.read_only, ..health }
    }

    /// Returns `true` if [`Self::close`] has been called.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Refuses new requests, waits until the edits in flight are durable and have their replies, and ends all writer tasks.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.shared.runs.close();
        self.shared.limits.lanes.close();
        for used in self.shared.registry.close() {
            // Waits for a writer task that is being started; there is none if the start fails.
            let starting = used.slot().map(|slot| slot.handle.get_or_try_init(|| async { Err(()) }));
            let Some(Ok(handle)) = (match starting {
                Some(starting) => Some(starting.await.cloned()),
                None => None,
            }) else {
                continue;
            };
            let _ = handle.commands.send(Command::Close).await; // it may have ended by itself
            handle.ended().await;
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), ServiceError> {
        if self.is_closing() { Err(ServiceError::Closing) } else { Ok(()) }
    }

    pub(crate) fn check_may_change(&self) -> Result<(), ServiceError> {
        self.check_open()?;
        if self.read_only { Err(ServiceError::ReadOnly) } else { Ok(()) }
    }
}

/// Passes the store's hints on to the writer tasks of active notebooks, until the store ends.
async fn follow(registry: Arc<Registry>, mut hints: broadcast::Receiver<StoreEvent>) {
    loop {
        match hints.recv().await {
            Ok(StoreEvent { id, .. }) => registry.hint(Some(&id)),
            Err(RecvError::Lagged(_)) => registry.hint(None),
            Err(RecvError::Closed) => return,
        }
    }
}
