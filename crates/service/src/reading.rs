//! Reading and watching of notebooks.

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
    /// `true` if the store is away, so that another server may have changed the notebook since.
    pub is_stale: bool,
}

impl Deref for NotebookView {
    type Target = Arc<Published>;

    fn deref(&self) -> &Arc<Published> {
        &self.published
    }
}

impl NotebookService {
    /// Returns the current notebook, with all edits that any server has acknowledged before this call unless the store is away.
    ///
    /// # Errors
    /// Returns an error if the notebook is missing or belongs to another user, or if the store fails.
    pub async fn get(&self, user: &UserId, id: &NotebookId) -> Result<NotebookView, ServiceError> {
        let handle = self.open_or_provision(user, id).await?;
        Ok(self.fresh(user, id, handle).await?.1)
    }

    /// Makes the writer task load the changes that other servers have stored before this call. Returns the handle of the current
    /// writer task and the published notebook.
    async fn fresh(
        &self,
        user: &UserId,
        id: &NotebookId,
        mut handle: Handle,
    ) -> Result<(Handle, NotebookView), ServiceError> {
        if !self.shared.store.is_shared() {
            let published = handle.published();
            return Ok((handle, NotebookView { published, is_stale: false }));
        }
        for _ in 0..ROUNDS {
            let known = handle.published();
            let looked_up = self.shared.look_up(id).await;
            let now = handle.published();
            let freshness = match looked_up {
                Ok(stored) => Freshness::of(stored.as_ref(), &known, &now),
                Err(StoreError::Unavailable { .. }) => {
                    return Ok((handle, NotebookView { published: now, is_stale: true }));
                }
                Err(error) => return Err(error.into()),
            };
            let newer = match freshness {
                Freshness::Current => return Ok((handle, NotebookView { published: now, is_stale: false })),
                Freshness::Newer(stored) => Some(stored),
                Freshness::Lost => None,
            };
            if !self.shared.registry.catch_up(id, newer.clone()).await {
                let reason = "what other servers have changed cannot be read now".to_owned();
                return Err(StoreError::Overloaded { reason, source: None }.into());
            }
            let now = handle.published();
            // The state at the end of the look-up is fresh enough, even if other servers have changed the notebook since.
            let has_it = |stored: StoredVersion| now.notebook.life == stored.life && now.version >= stored.version;
            if !handle.commands.is_closed() && newer.is_some_and(has_it) {
                return Ok((handle, NotebookView { published: now, is_stale: false }));
            }
            handle = self.open_or_provision(user, id).await?;
        }
        Err(ServiceError::Contended(id.clone()))
    }

    /// Returns the current notebook and its dependency graph, which is built once for each published state.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`].
    pub async fn graph(
        &self,
        user: &UserId,
        id: &NotebookId,
    ) -> Result<(NotebookView, Arc<AccountedGraph>), ServiceError> {
        let view = self.get(user, id).await?;
        // The graph is built from the published state. The writer task's graph may include edits that are not durable, and a
        // reader must not delay the writer task.
        let graph = view.published.graph(&self.shared).await?;
        Ok((view, graph))
    }

    /// Calls `answer` with a notebook and its graph, on a thread for blocking work, because graphs can be large.
    ///
    /// # Errors
    /// Returns the errors of [`Self::graph`].
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

    /// Accounts the memory of a state until the returned pin is dropped, for a response that takes long to write.
    ///
    /// # Errors
    /// Returns [`ServiceError::MemoryFull`] if there is no room, and no other notebook can be evicted for it.
    pub async fn pin(&self, published: &Published) -> Result<PinnedMemory, ServiceError> {
        published.pinned.pin(published, &self.shared).await
    }

    /// Opens the connection string of a notebook, for the execution of its SQL cells.
    ///
    /// # Errors
    /// Returns an error if the string cannot be opened. The owner must enter it again, or the operator restore the key.
    pub fn connection(&self, published: &Published) -> Result<Option<ConnectionString>, CannotOpen> {
        self.shared.sealing.open(&published.notebook)
    }

    /// Subscribes to the notebook: its current state and every later event.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`].
    pub async fn watch(&self, user: &UserId, id: &NotebookId) -> Result<Subscription, ServiceError> {
        self.watch_after(user, id, None).await
    }

    /// Resumes a subscription: `last` is the last event that the watcher has seen, or the number of the state that it has read.
    /// The subscription begins with the events since, or with one [`EventKind::Resync`](crate::EventKind::Resync) if they are
    /// unknown: there were too many, the notebook was evicted, or another server, or this one before a restart, gave the
    /// number.
    ///
    /// # Errors
    /// Returns the errors of [`Self::get`].
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
            // The writer task was ending, so the next one is asked.
            handle = self.open(user, id).await?;
        }
    }

    /// Opens the notebook. If it is one of the user's first two and missing, both are created, because a client may request it
    /// before it requests a list.
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
