//! Reading and watching a notebook.

use std::ops::Deref;
use std::sync::Arc;

use quire_domain::{CannotOpen, ConnectionString, Graph, Notebook, NotebookId, UserId};
use quire_storage::{StoreError, StoredVersion};

use crate::command::Command;
use crate::event::Seq;
use crate::lookups::Freshness;
use crate::pin::PinnedMemory;
use crate::published::{AccountedGraph, Published};
use crate::registry::Handle;
use crate::subscription::Subscription;
use crate::work::Kind;
use crate::writer::ROUNDS;
use crate::{NotebookService, ServiceError};

/// A notebook as it is shown to a reader.
#[derive(Clone, Debug)]
pub struct NotebookView {
    /// Its state.
    pub published: Arc<Published>,
    /// `true` when the store is away, so that another server may have changed the notebook since.
    pub is_stale: bool,
}

impl Deref for NotebookView {
    type Target = Arc<Published>;

    fn deref(&self) -> &Arc<Published> {
        &self.published
    }
}

impl NotebookService {
    /// Returns the notebook as it is now: all that any server has acknowledged before this call, unless the store is away.
    ///
    /// # Errors
    /// When there is none, it is somebody else's, or the store fails.
    pub async fn get(&self, user: &UserId, id: &NotebookId) -> Result<NotebookView, ServiceError> {
        let handle = self.open_or_provision(user, id).await?;
        Ok(self.fresh(user, id, handle).await?.1)
    }

    /// Makes a writer task read what other servers have stored before this call; returns the writer task that has the notebook
    /// then, with what it has published.
    async fn fresh(
        &self,
        user: &UserId,
        id: &NotebookId,
        mut handle: Handle,
    ) -> Result<(Handle, NotebookView), ServiceError> {
        for _ in 0..ROUNDS {
            let known = handle.published();
            let looked_up = if self.shared.store.is_shared() { Some(self.shared.look_up(id).await) } else { None };
            let now = handle.published();
            let freshness = match looked_up {
                None => Freshness::Current,
                Some(Ok(stored)) => Freshness::of(stored.as_ref(), &known, &now),
                Some(Err(StoreError::Unavailable { .. })) => {
                    return Ok((handle, NotebookView { published: now, is_stale: true }));
                }
                Some(Err(error)) => return Err(error.into()),
            };
            let newer = match freshness {
                Freshness::Current => return Ok((handle, NotebookView { published: now, is_stale: false })),
                Freshness::Newer(stored) => Some(stored),
                Freshness::Lost => None,
            };
            self.shared.registry.catch_up(id, newer.clone()).await;
            let now = handle.published();
            // What was stored when the look-up ended is fresh enough, however fast others go on.
            let has_it = |stored: StoredVersion| now.notebook.life == stored.life && now.version >= stored.version;
            if !handle.commands.is_closed() && newer.is_some_and(has_it) {
                return Ok((handle, NotebookView { published: now, is_stale: false }));
            }
            handle = self.open(user, id).await?;
        }
        Err(ServiceError::Contended(id.clone()))
    }

    /// The notebook as it is now, and its dependency graph, which is built once for each published state.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn graph(
        &self,
        user: &UserId,
        id: &NotebookId,
    ) -> Result<(NotebookView, Arc<AccountedGraph>), ServiceError> {
        let view = self.get(user, id).await?;
        // Built from what is published: the writer has a graph too, but it belongs to edits not yet durable as well, and
        // whoever only looks must not hold the writer up.
        let graph = view.published.graph(&self.shared).await?;
        Ok((view, graph))
    }

    /// Calls `answer` with a notebook and its graph, on a thread for blocking work: graphs can be large.
    ///
    /// # Errors
    /// As [`Self::graph`].
    pub async fn with_graph<T: Send + 'static>(
        &self,
        view: NotebookView,
        answer: impl FnOnce(&NotebookView, &Graph) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let graph = view.published.graph(&self.shared).await?;
        let Notebook { id, owner, .. } = &view.notebook;
        let permit = self.shared.limits.lanes.of(Kind::Graph).enter(owner, view.analysis_cost()).await?;
        let label = id.clone();
        let answer = move || answer(&view, &graph);
        Ok(permit.run_blocking(move || format!("write the graph of notebook {label}"), answer).await?)
    }

    /// Accounts the memory of a state for an answer that is written from it over a long time, until what is returned is
    /// dropped.
    ///
    /// # Errors
    /// [`ServiceError::MemoryFull`] when there is no room, and no other notebook can be evicted for it.
    pub async fn pin(&self, published: &Published) -> Result<PinnedMemory, ServiceError> {
        published.pinned.pin(published, &self.shared).await
    }

    /// The connection string of a notebook, for whoever connects with it.
    ///
    /// # Errors
    /// When there is one and it cannot be opened; its owner must enter it again, or the operator bring the key back.
    pub fn connection(&self, published: &Published) -> Result<Option<ConnectionString>, CannotOpen> {
        self.shared.sealing.open(&published.notebook)
    }

    /// The notebook as it is now, and every event from then on.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn watch(&self, user: &UserId, id: &NotebookId) -> Result<Subscription, ServiceError> {
        self.watch_after(user, id, None).await
    }

    /// As [`Self::watch`], for a watcher that has been here before: `last` is the last event that it saw, or the number that
    /// came with the state that it read. The subscription begins with what happened since, or with one
    /// [`EventKind::Resync`](crate::EventKind::Resync) when that is not known: too much happened, the notebook had left
    /// memory, or it was another server, or this one before it was restarted, that gave the number.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn resume(&self, user: &UserId, id: &NotebookId, last: Seq) -> Result<Subscription, ServiceError> {
        self.watch_after(user, id, Some(last)).await
    }

    async fn watch_after(
        &self,
        user: &UserId,
        id: &NotebookId,
        last: Option<Seq>,
    ) -> Result<Subscription, ServiceError> {
        let handle = self.open_or_provision(user, id).await?;
        let (mut handle, _) = self.fresh(user, id, handle).await?;
        loop {
            let subscribe = |reply| Command::Subscribe { last, reply };
            if let Some(subscription) = self.ask(handle, (user, id), subscribe).await? {
                return Ok(subscription);
            }
            // The writer task was ending: the next one has it.
            handle = self.open(user, id).await?;
        }
    }

    /// Opens the notebook, after making the user's first two notebooks if it is one of them and is not there: a page may ask
    /// for it before it lists anything.
    async fn open_or_provision(&self, user: &UserId, id: &NotebookId) -> Result<Handle, ServiceError> {
        match self.open(user, id).await {
            Err(ServiceError::UnknownNotebook(_)) if is_one_of_the_first_two(user, id) => {
                self.provision(user).await?;
                self.open(user, id).await
            }
            opened => opened,
        }
    }
}

fn is_one_of_the_first_two(user: &UserId, id: &NotebookId) -> bool {
    [NotebookId::blank_of(user), NotebookId::demo_of(user)].into_iter().flatten().any(|own| own == *id)
}
