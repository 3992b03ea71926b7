//! The service: what an API, or a program that embeds it, calls.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quire_domain::{NotebookId, UserId};
use quire_storage::{Health, NotebookStore, StoreError, StoreEvent};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot, watch};
use uuid::Uuid;

use crate::analyser::Analyser;
use crate::command::Command;
use crate::connection::Sealing;
use crate::idempotency::{CleanupTrigger, IdempotencyContext};
use crate::memory::{self, Memory};
use crate::quota::Quotas;
use crate::registry::{Handle, Registry, SlotUse};
use crate::work::{Kind, Lanes, Store};
use crate::writer::{ACTIVE_BYTES, ROUNDS, ServiceContext, Writer};
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
    closing: Arc<AtomicBool>,
    pub(crate) read_only: bool,
    /// The request with a key that this is for; see [`Self::once`].
    pub(crate) context: Option<Arc<IdempotencyContext>>,
}

impl NotebookService {
    /// A service over this store. Must be called within a tokio runtime, which must live as long as the service.
    ///
    /// # Errors
    /// When the operating system gives no threads for the analysis.
    pub fn new(store: Arc<dyn NotebookStore>, options: Options) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let lanes = Arc::new(Lanes::new(&options.budgets, &runtime));
        let store = Store::new(store, &lanes);
        let hints = store.subscribe();
        let shared = Arc::new(ServiceContext {
            store,
            clock: options.clock,
            analyser: Analyser::new(&options.budgets, &lanes)?,
            lanes,
            sealing: Sealing { keys: options.keys, plain: options.plain_connections },
            quotas: Quotas::new(options.quota),
            memory: Memory::new(options.memory_bytes),
            registry: Arc::default(),
            probe: Mutex::default(),
            runtime,
            idle: options.idle,
            epoch: Uuid::new_v4(),
            events: AtomicU64::new(0),
            in_flight: Arc::default(),
            cleanup: CleanupTrigger::default(),
        });
        tokio::spawn(follow(Arc::clone(&shared.registry), hints));
        Ok(Self { shared, closing: Arc::default(), read_only: options.read_only, context: None })
    }

    /// The notebook that `text`, an id as a client wrote it, means to this user: `blank` and `demo` are short for the
    /// user's own.
    ///
    /// # Errors
    /// [`ServiceError::UnknownNotebook`] when no notebook can have such an id.
    pub fn resolve(&self, user: &UserId, text: &str) -> Result<NotebookId, ServiceError> {
        let id = match text {
            "blank" => NotebookId::blank_of(user),
            "demo" => NotebookId::demo_of(user),
            other => NotebookId::new(other),
        };
        id.map_err(|_invalid| ServiceError::UnknownNotebook(text.to_owned()))
    }

    /// Returns the state of the store. A notebook in memory can be read while the store is away; a service that may change
    /// nothing takes no writes.
    pub async fn health(&self) -> Health {
        let health = self.shared.store.health().await;
        let reads = health.reads || self.shared.registry.has_active();
        Health { reads, writes: health.writes && !self.read_only, ..health }
    }

    /// Checks that the service gets to its work: a task of its own is started on the service's runtime, finds the registry of
    /// active notebooks free, and has a cell analysed in the lane that edits use, as the next there. Returns `false` when it
    /// has not come back in time. Callers at the same time share one such task. The caller's own runtime keeps the time, so it
    /// must not be the service's where that may be stuck.
    pub async fn responds(&self, within: Duration) -> bool {
        let mut has_responded = {
            // The place is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
            let mut probe = self.shared.probe.lock().unwrap_or_else(PoisonError::into_inner);
            match &*probe {
                Some(under_way) if under_way.has_changed().is_ok() => under_way.clone(),
                _ => probe.insert(self.start_probe()).clone(),
            }
        };
        let responded = tokio::time::timeout(within, has_responded.wait_for(|has| *has)).await;
        matches!(responded, Ok(Ok(_)))
    }

    /// Starts the task of [`Self::responds`], which says `true` and ends, or only ends when the service does no work any more.
    fn start_probe(&self) -> watch::Receiver<bool> {
        let (tell, told) = watch::channel(false);
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move {
            shared.registry.wait_until_free();
            if shared.analyser.probe().await {
                let _ = tell.send(true); // nobody may be waiting any more
            }
        });
        told
    }

    /// Whether [`Self::close`] has been called.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Refuses everything new, waits until the edits under way are durable and answered, and ends all writers.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.shared.lanes.close();
        for used in self.shared.registry.close() {
            // Waits for a writer that is being started; there is none when that fails.
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

    /// Puts a command into the writer's queue and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        user: &UserId,
        id: &NotebookId,
        command: impl Fn(oneshot::Sender<Result<T, ServiceError>>) -> Command,
    ) -> Result<T, ServiceError> {
        let mut round = 1;
        loop {
            let handle = self.open(user, id).await?;
            let (reply, answer) = oneshot::channel();
            if handle.commands.send(command(reply)).await.is_err() {
                // The writer ended after it was found; another takes its place.
                handle.ended().await;
                continue;
            }
            let answer = answer.await.unwrap_or_else(|_gone| Err(broken(id)));
            // The notebook was deleted, and perhaps made again, which only the next writer can know.
            let is_gone = matches!(answer, Err(ServiceError::UnknownNotebook(_))) && handle.commands.is_closed();
            if is_gone && round < ROUNDS {
                handle.ended().await;
                round += 1;
                continue;
            }
            return answer;
        }
    }

    /// The notebook's writer, started if need be, when the user may reach it. A stranger starts none, and waits for the store
    /// whether the notebook is in memory, in the store or nowhere.
    pub(crate) async fn open(&self, user: &UserId, id: &NotebookId) -> Result<Handle, ServiceError> {
        let handle = self.activate(user, id).await?;
        if handle.published.borrow().notebook.owner != *user {
            let _ = self.shared.store.short(user).await?.owner(id).await; // for the time that it takes
            return Err(ServiceError::Foreign(id.clone()));
        }
        Ok(handle)
    }

    pub(crate) async fn activate(&self, user: &UserId, id: &NotebookId) -> Result<Handle, ServiceError> {
        loop {
            if let Some(handle) = self.shared.registry.active(id) {
                if !handle.commands.is_closed() {
                    return Ok(handle);
                }
                handle.ended().await;
            }
            // A stranger makes nobody read a notebook, and must not stand in the way of the owner, who waits in the slot.
            let owner = self.shared.store.short(user).await?.owner(id).await?;
            if owner.ok_or_else(|| ServiceError::UnknownNotebook(id.to_string()))? != *user {
                return Err(ServiceError::Foreign(id.clone()));
            }
            let slot = self.shared.registry.slot(id)?;
            // A task of its own: when whoever asked goes away, the work is not lost for the next who asks.
            let start = start(Arc::clone(&self.shared), slot, (id.clone(), user.clone()));
            self.shared.runtime.spawn(start).await.unwrap_or_else(|_panicked| Err(broken(id)))?;
        }
    }

    /// This service, for a request with a key.
    pub(crate) fn with_context(&self, context: Arc<IdempotencyContext>) -> Self {
        Self { context: Some(context), ..self.clone() }
    }
}

/// Starts the notebook's writer in its slot for its owner, unless another is doing so or has; then waits for that.
async fn start(
    shared: Arc<ServiceContext>,
    slot_use: SlotUse,
    (id, user): (NotebookId, UserId),
) -> Result<(), ServiceError> {
    let unknown = || ServiceError::UnknownNotebook(id.to_string());
    let start = || async {
        // Before loading, so that what is loaded does not wait in memory, and only so many of the largest are there beside
        // what is accounted.
        let permit = shared.lanes.of(Kind::Opening).enter(&user, 1).await?;
        let loaded = shared.store.slow(&user).await?.load(&id).await?.ok_or_else(unknown)?;
        if loaded.notebook.owner != user {
            return Err(ServiceError::Foreign(id.clone())); // since just now
        }
        // How large it is shows only now.
        let bytes = loaded.notebook.memory_bytes();
        shared.memory.check_one(&id, bytes)?;
        let charge = memory::charge(&shared, &user, bytes + ACTIVE_BYTES).await?;
        Writer::start(&shared, &slot_use, loaded, permit, charge).await
    };
    if let Some(slot) = slot_use.slot() {
        slot.handle.get_or_try_init(start).await?;
    }
    Ok(())
}

/// Whether this notebook is one of the two that are made for the user.
pub(crate) fn is_provisioned(user: &UserId, id: &NotebookId) -> bool {
    [NotebookId::blank_of(user), NotebookId::demo_of(user)].into_iter().flatten().any(|own| own == *id)
}

/// A task went away without an answer: it panicked, perhaps after it had stored something.
fn broken(id: &NotebookId) -> ServiceError {
    ServiceError::Store(StoreError::OutcomeUnknown { id: id.clone() })
}

/// Passes the store's hints on to the writers of active notebooks, until the store ends.
async fn follow(registry: Arc<Registry>, mut hints: broadcast::Receiver<StoreEvent>) {
    loop {
        match hints.recv().await {
            Ok(StoreEvent { id, .. }) => registry.hint(Some(&id)),
            Err(RecvError::Lagged(_)) => registry.hint(None),
            Err(RecvError::Closed) => return,
        }
    }
}
