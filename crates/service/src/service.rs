//! The service: what an API, or a program that embeds it, calls.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quire_domain::{CannotOpen, CellId, Change, ConnectionString, Edit, Graph, NotebookId, Revision, UserId};
use quire_storage::{
    Health, ListFilter, NotebookStore, Page, PageRequest, SearchPage, SearchText, StoreError, StoreEvent,
};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};
use uuid::Uuid;

use crate::analyser::Analyser;
use crate::conflict::Expected;
use crate::connection::Sealing;
use crate::duplicate::{Duplicated, copy_of, name_of_copy};
use crate::event::{Published, Seq, Watch};
use crate::provision::{new_cell_id, notebook_of, provision};
use crate::registry::{Handle, Registry, SlotUse};
use crate::sorted::{Sort, SortCursor, SortedPage, sorted};
use crate::writer::{Command, EditCommand, Shared, Wish, Writer};
use crate::{Options, ServiceError};

/// The answer to an edit.
#[derive(Clone, Debug)]
pub struct Edited {
    /// The notebook's revision after the edit, durable.
    pub revision: Revision,
    /// What is different; absent when the notebook already was as the edit wanted it.
    pub change: Option<Arc<Change>>,
}

/// The answer to an insertion.
#[derive(Clone, Debug)]
pub struct Created {
    /// The new cell.
    pub cell: CellId,
    /// The edit that made it.
    pub edited: Edited,
}

/// The use cases of notebooks, over one store. A clone is the same service.
#[derive(Clone, Debug)]
pub struct NotebookService {
    pub(crate) shared: Arc<Shared>,
    closing: Arc<AtomicBool>,
    most_active: usize,
    read_only: bool,
}

impl NotebookService {
    /// A service over this store. Must be called within a tokio runtime, which must live as long as the service.
    ///
    /// # Errors
    /// When the operating system gives no threads for the analysis.
    pub fn new(store: Arc<dyn NotebookStore>, options: Options) -> io::Result<Self> {
        let hints = store.subscribe();
        let shared = Arc::new(Shared {
            store,
            clock: options.clock,
            analyser: Analyser::new(options.analysis_threads)?,
            sealing: Sealing { keys: options.keys, plain: options.plain_connections },
            registry: Arc::default(),
            runtime: tokio::runtime::Handle::current(),
            idle: options.idle,
            epoch: Uuid::new_v4(),
            events: AtomicU64::new(0),
            generation: Mutex::default(),
        });
        tokio::spawn(follow(Arc::clone(&shared.registry), hints));
        Ok(Self { shared, closing: Arc::default(), most_active: options.most_active, read_only: options.read_only })
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

    /// Lists the user's notebooks, oldest first, after making the two that every user has if they are missing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, user: &UserId, page: &PageRequest) -> Result<Page, ServiceError> {
        let all = self.list_all(user).await?;
        let whole = page.limit.is_none() && page.after.is_none();
        let filter = ListFilter::of(user.clone());
        if whole { Ok(all) } else { Ok(self.shared.store.list(&filter, page).await?) }
    }

    /// Lists the user's notebooks in another order, otherwise as [`Self::list`]. What is edited between two pages may stand
    /// on both, or on none, when that moves it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_sorted(
        &self,
        user: &UserId,
        sort: Sort,
        limit: Option<usize>,
        after: Option<&SortCursor>,
    ) -> Result<SortedPage, ServiceError> {
        Ok(sorted(self.list_all(user).await?, sort, limit, after))
    }

    /// Finds the user's notebooks in whose name or code the text is, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn search(
        &self,
        user: &UserId,
        text: &SearchText,
        page: &PageRequest,
    ) -> Result<SearchPage, ServiceError> {
        self.check_open()?;
        Ok(self.shared.store.search(user, text, page).await?)
    }

    /// All of the user's notebooks, with the two that every user has.
    async fn list_all(&self, user: &UserId) -> Result<Page, ServiceError> {
        self.check_open()?;
        let filter = ListFilter::of(user.clone());
        let all = self.shared.store.list(&filter, &PageRequest::default()).await?;
        let missing = self.provision(user, &all).await.unwrap_or_else(|error| {
            // A list is worth more than the two.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%user, error, "cannot make the user's first notebooks");
            true
        });
        if missing { Ok(self.shared.store.list(&filter, &PageRequest::default()).await?) } else { Ok(all) }
    }

    /// Makes what is missing of the user's own two; returns whether anything was.
    async fn provision(&self, user: &UserId, all: &Page) -> Result<bool, ServiceError> {
        if self.read_only {
            return Ok(false);
        }
        provision(&*self.shared.store, &*self.shared.clock, user, &all.notebooks).await
    }

    /// Makes a notebook with one empty Python cell.
    ///
    /// # Errors
    /// When the store refuses or fails.
    pub async fn create(&self, user: &UserId) -> Result<NotebookId, ServiceError> {
        self.check_may_change()?;
        let id = NotebookId::new(Uuid::new_v4().to_string())?;
        self.shared.store.create(&notebook_of(id.clone(), user, self.shared.clock.now(), &[""])?).await?;
        Ok(id)
    }

    /// The notebook as it is now.
    ///
    /// # Errors
    /// When there is none, it is somebody else's, or the store fails.
    pub async fn get(&self, user: &UserId, id: &NotebookId) -> Result<Arc<Published>, ServiceError> {
        self.provision_if_own(user, id).await?;
        let handle = self.open(user, id).await?;
        let published = Arc::clone(&handle.published.borrow());
        Ok(published)
    }

    /// The notebook as it is now, and its dependency graph.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn graph(&self, user: &UserId, id: &NotebookId) -> Result<(Arc<Published>, Graph), ServiceError> {
        let published = self.get(user, id).await?;
        // Built anew from what is published: the writer has a graph too, but it belongs to edits not yet durable as well,
        // and whoever only looks must not hold the writer up.
        let graph = self.shared.analyser.graph(Arc::clone(&published)).await?;
        Ok((published, graph))
    }

    /// Makes a copy of the notebook, results included, as a new notebook of the same owner. Its connection string is sealed
    /// anew, since a sealed one is bound to its notebook.
    ///
    /// # Errors
    /// As [`Self::get`], and when the store refuses.
    pub async fn duplicate(&self, user: &UserId, id: &NotebookId) -> Result<Duplicated, ServiceError> {
        self.check_may_change()?;
        let original = self.get(user, id).await?;
        let all = self.shared.store.list(&ListFilter::of(user.clone()), &PageRequest::default()).await?;
        let taken: HashSet<&str> = all.notebooks.iter().filter_map(|summary| summary.name.as_deref()).collect();
        let shown = original.notebook.name.as_deref().unwrap_or(id.as_str());
        let name = name_of_copy(shown, |name| taken.contains(name));
        let id = NotebookId::new(Uuid::new_v4().to_string())?;
        let mut copy = copy_of(&original.notebook, id.clone(), Arc::clone(&name), self.shared.clock.now());
        let has_connection = match self.shared.sealing.open(&original.notebook) {
            Ok(Some(opened)) => {
                copy.connection = self.shared.sealing.keep(&copy, &opened)?;
                true
            }
            Ok(None) => true,
            // The code is worth a copy all the same.
            Err(_cannot_open) => false,
        };
        self.shared.store.create(&copy).await?;
        Ok(Duplicated { id, name, has_connection })
    }

    /// The notebook as it is now, and every event from then on.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn watch(&self, user: &UserId, id: &NotebookId) -> Result<Watch, ServiceError> {
        self.watch_after(user, id, None).await
    }

    /// As [`Self::watch`], for a watcher that has been here before: `last` is the last event that it saw, or the number that
    /// came with the state that it read. The watch begins with what happened since, or with one
    /// [`EventKind::Resync`](crate::EventKind::Resync) when that is not known: too much happened, the notebook had left
    /// memory, or it was another server, or this one before it was restarted, that gave the number.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn resume(&self, user: &UserId, id: &NotebookId, last: Seq) -> Result<Watch, ServiceError> {
        self.watch_after(user, id, Some(last)).await
    }

    async fn watch_after(&self, user: &UserId, id: &NotebookId, last: Option<Seq>) -> Result<Watch, ServiceError> {
        self.provision_if_own(user, id).await?;
        loop {
            // No watch means that the writer was ending: the next one has it.
            if let Some(watch) = self.ask(user, id, |reply| Command::Watch { last, reply }).await? {
                return Ok(watch);
            }
        }
    }

    /// Applies an edit and waits until it is durable. With `expected`, a revision or an [`Expected`], only if that holds.
    /// When the returned future is dropped, the edit may still happen.
    ///
    /// # Errors
    /// [`ServiceError`] says why; unless it wraps `OutcomeUnknown`, nothing was changed.
    pub async fn edit(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: impl Into<Expected>,
        edit: Edit,
    ) -> Result<Edited, ServiceError> {
        self.wish(user, id, expected.into(), edit.into()).await
    }

    /// Sets the connection string that the owner entered, sealed where it can be, or none; see [`Self::edit`]. The one that
    /// there is, and exactly what was shown of that, change nothing.
    ///
    /// # Errors
    /// As [`Self::edit`], and when the string cannot be what is meant or cannot be kept.
    pub async fn set_connection(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: impl Into<Expected>,
        entered: Option<ConnectionString>,
    ) -> Result<Edited, ServiceError> {
        let wish = entered.map_or(Wish::Edit(Edit::SetConnection { connection: None }), Wish::Connect);
        self.wish(user, id, expected.into(), wish).await
    }

    /// The connection string of a notebook, for whoever connects with it.
    ///
    /// # Errors
    /// When there is one and it cannot be opened; its owner must enter it again, or the operator bring the key back.
    pub fn connection(&self, published: &Published) -> Result<Option<ConnectionString>, CannotOpen> {
        self.shared.sealing.open(&published.notebook)
    }

    async fn wish(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: Expected,
        wish: Wish,
    ) -> Result<Edited, ServiceError> {
        self.check_may_change()?;
        let command = |reply| Command::Edit(EditCommand { user: user.clone(), expected, wish: wish.clone(), reply });
        self.ask(user, id, command).await
    }

    /// Inserts a cell with an id of its own; see [`Self::edit`].
    ///
    /// # Errors
    /// As [`Self::edit`].
    pub async fn insert_cell(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: impl Into<Expected>,
        (cell_type, code): (quire_domain::CellType, Arc<str>),
        place: quire_domain::Place,
    ) -> Result<Created, ServiceError> {
        let cell = new_cell_id()?;
        let edit = Edit::InsertCell { id: cell.clone(), cell_type, code, place };
        Ok(Created { edited: self.edit(user, id, expected, edit).await?, cell })
    }

    /// Deletes the notebook.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn delete(&self, user: &UserId, id: &NotebookId) -> Result<(), ServiceError> {
        self.delete_expecting(user, id, Expected::Any).await
    }

    /// Deletes the notebook if it is at the revision that the user knows; another server's edit in the moment between looking
    /// and deleting is not seen.
    ///
    /// # Errors
    /// As [`Self::get`], and [`ServiceError::Conflict`].
    pub async fn delete_expecting(
        &self,
        user: &UserId,
        id: &NotebookId,
        expected: Expected,
    ) -> Result<(), ServiceError> {
        self.check_may_change()?;
        self.ask(user, id, |reply| Command::Delete { user: user.clone(), expected, reply }).await
    }

    /// How the store is. Where nothing may be changed, it takes no writes.
    pub async fn health(&self) -> Health {
        let health = self.shared.store.health().await;
        if !health.generation.is_nil() {
            *self.shared.generation.lock().unwrap_or_else(PoisonError::into_inner) = health.generation;
        }
        Health { writes: health.writes && !self.read_only, ..health }
    }

    /// What tells apart two states of the store that count versions alike, one of them brought back from a backup; as of
    /// the last [`Self::health`], which whoever watches the server asks for often. `None` while it is not known.
    pub async fn generation(&self) -> Option<Uuid> {
        let known = || *self.shared.generation.lock().unwrap_or_else(PoisonError::into_inner);
        if known().is_nil() {
            self.health().await;
        }
        Some(known()).filter(|generation| !generation.is_nil())
    }

    /// Whether [`Self::close`] has been called.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Refuses everything new, waits until the edits under way are durable and answered, and ends all writers.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
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

    fn check_open(&self) -> Result<(), ServiceError> {
        if self.is_closing() { Err(ServiceError::Closing) } else { Ok(()) }
    }

    pub(crate) fn check_may_change(&self) -> Result<(), ServiceError> {
        self.check_open()?;
        if self.read_only { Err(ServiceError::ReadOnly) } else { Ok(()) }
    }

    /// Puts a command into the writer's queue and waits for its answer.
    async fn ask<T>(
        &self,
        user: &UserId,
        id: &NotebookId,
        command: impl Fn(oneshot::Sender<Result<T, ServiceError>>) -> Command,
    ) -> Result<T, ServiceError> {
        loop {
            let handle = self.open(user, id).await?;
            let (reply, answer) = oneshot::channel();
            if handle.commands.send(command(reply)).await.is_err() {
                // The writer ended after it was found; another takes its place.
                handle.ended().await;
                continue;
            }
            return answer.await.unwrap_or_else(|_gone| Err(broken(id)));
        }
    }

    /// Makes the user's own two if it is one of them that is asked for and it is not there: a page may ask for it before
    /// it lists anything.
    async fn provision_if_own(&self, user: &UserId, id: &NotebookId) -> Result<(), ServiceError> {
        if is_provisioned(user, id) && matches!(self.activate(user, id).await, Err(ServiceError::UnknownNotebook(_))) {
            let filter = ListFilter::of(user.clone());
            let all = self.shared.store.list(&filter, &PageRequest::default()).await?;
            self.provision(user, &all).await?;
        }
        Ok(())
    }

    /// The notebook's writer, started if need be, when the user may reach it. A stranger starts none, and waits for the store
    /// whether the notebook is in memory, in the store or nowhere.
    async fn open(&self, user: &UserId, id: &NotebookId) -> Result<Handle, ServiceError> {
        let handle = self.activate(user, id).await?;
        if handle.published.borrow().notebook.owner != *user {
            let _ = self.shared.store.load(id).await; // for the time that it takes
            return Err(ServiceError::Foreign(id.clone()));
        }
        Ok(handle)
    }

    async fn activate(&self, user: &UserId, id: &NotebookId) -> Result<Handle, ServiceError> {
        loop {
            if let Some(handle) = self.shared.registry.active(id) {
                if !handle.commands.is_closed() {
                    return Ok(handle);
                }
                handle.ended().await;
            }
            let (slot, oldest) = self.shared.registry.slot(id, self.most_active)?;
            if let Some(oldest) = oldest {
                let _ = oldest.commands.try_send(Command::Retire); // if its queue is full it is not idle
            }
            // A task of its own: when whoever asked goes away, the work is not lost for the next who asks.
            let start = start(Arc::clone(&self.shared), slot, id.clone(), user.clone());
            self.shared.runtime.spawn(start).await.unwrap_or_else(|_panicked| Err(broken(id)))?;
        }
    }
}

/// Starts the notebook's writer in its slot for its owner, unless another is doing so or has; then waits for that.
async fn start(shared: Arc<Shared>, slot_use: SlotUse, id: NotebookId, user: UserId) -> Result<(), ServiceError> {
    let start = || async {
        let loaded = shared.store.load(&id).await?;
        let loaded = loaded.ok_or_else(|| ServiceError::UnknownNotebook(id.to_string()))?;
        if loaded.notebook.owner != user {
            return Err(ServiceError::Foreign(id.clone()));
        }
        Ok(Writer::start(&shared, &slot_use, loaded).await?)
    };
    if let Some(slot) = slot_use.slot() {
        slot.handle.get_or_try_init(start).await?;
    }
    Ok(())
}

/// Whether this notebook is one of the two that are made for the user.
fn is_provisioned(user: &UserId, id: &NotebookId) -> bool {
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
            Ok(StoreEvent { id }) => registry.hint(Some(&id)),
            Err(RecvError::Lagged(_)) => registry.hint(None),
            Err(RecvError::Closed) => return,
        }
    }
}
