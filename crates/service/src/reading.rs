//! Use cases that change nothing, but for making the two notebooks that every user has.

use std::sync::Arc;

use quire_domain::{CannotOpen, ConnectionString, Graph, NotebookId, UserId};
use quire_storage::{ListFilter, Page, PageRequest, SearchPage, SearchRequest, SearchText, Summary};

use crate::analyser::opening_cost;
use crate::command::Command;
use crate::event::{AccountedGraph, Published, Seq, Watch};
use crate::pin::PinnedMemory;
use crate::provision::provision;
use crate::service::is_provisioned;
use crate::sorted::{Sort, SortCursor, SortedPage, sorted};
use crate::work::Kind;
use crate::{NotebookService, ServiceError};

impl NotebookService {
    /// Lists the user's notebooks, oldest first, after making the two that every user has if they are missing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, user: &UserId, page: &PageRequest) -> Result<Page, ServiceError> {
        let _permit = self.shared.lanes.of(Kind::List).enter(user, 1).await?;
        let mut all = self.list_all(user).await?;
        let is_before = |summary: &Summary| page.after.as_ref().is_some_and(|after| summary.cursor() <= *after);
        all.notebooks.drain(..all.notebooks.partition_point(is_before));
        if let Some(limit) = page.limit.filter(|limit| *limit < all.notebooks.len()) {
            all.notebooks.truncate(limit);
            all.next = all.notebooks.last().map(Summary::cursor);
        }
        Ok(all)
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
        let permit = self.shared.lanes.of(Kind::List).enter(user, 1).await?;
        let (all, after) = (self.list_all(user).await?, after.cloned());
        let sorted = move || sorted(all, sort, limit, after.as_ref());
        Ok(permit.run(|| "sort a list".to_owned(), sorted).await?)
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
        let _permit = self.shared.lanes.of(Kind::Search).enter(user, 1).await?;
        Ok(self.shared.store.slow(user).await?.search(SearchRequest { owner: user, text, page }).await?)
    }

    /// All of the user's notebooks, with the two that every user has.
    async fn list_all(&self, user: &UserId) -> Result<Page, ServiceError> {
        self.check_open()?;
        let filter = ListFilter::of(user.clone());
        let all = self.shared.store.slow(user).await?.list(&filter, &PageRequest::default()).await?;
        let missing = self.provision(user, &all).await.unwrap_or_else(|error| {
            // A list is worth more than the two.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%user, error, "cannot make the user's first notebooks");
            true
        });
        if !missing {
            return Ok(all);
        }
        Ok(self.shared.store.slow(user).await?.list(&filter, &PageRequest::default()).await?)
    }

    /// Makes what is missing of the user's own two; returns whether anything was.
    pub(crate) async fn provision(&self, user: &UserId, all: &Page) -> Result<bool, ServiceError> {
        if self.read_only {
            return Ok(false);
        }
        let store = self.shared.store.short(user).await?;
        provision(&*store, &*self.shared.clock, user, &all.notebooks).await
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

    /// The notebook as it is now, and its dependency graph, which is built once for each published state.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn graph(
        &self,
        user: &UserId,
        id: &NotebookId,
    ) -> Result<(Arc<Published>, Arc<AccountedGraph>), ServiceError> {
        let published = self.get(user, id).await?;
        // Built from what is published: the writer has a graph too, but it belongs to edits not yet durable as well, and
        // whoever only looks must not hold the writer up.
        let graph = published.graph(&self.shared).await?;
        Ok((published, graph))
    }

    /// What `answer` makes of the notebook and its graph, on a thread where that holds up nobody: graphs can be large.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn with_graph<T: Send + 'static>(
        &self,
        user: &UserId,
        id: &NotebookId,
        answer: impl FnOnce(&Published, &Graph) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (published, graph) = self.graph(user, id).await?;
        let permit = self.shared.lanes.of(Kind::Graph).enter(user, opening_cost(&published.notebook)).await?;
        let label = id.clone();
        let answer = move || answer(&published, &graph);
        Ok(permit.run(move || format!("write the graph of notebook {label}"), answer).await?)
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

    /// Makes the user's own two if it is one of them that is asked for and it is not there: a page may ask for it before
    /// it lists anything.
    pub(crate) async fn provision_if_own(&self, user: &UserId, id: &NotebookId) -> Result<(), ServiceError> {
        if is_provisioned(user, id) && matches!(self.activate(user, id).await, Err(ServiceError::UnknownNotebook(_))) {
            let filter = ListFilter::of(user.clone());
            let all = self.shared.store.slow(user).await?.list(&filter, &PageRequest::default()).await?;
            self.provision(user, &all).await?;
        }
        Ok(())
    }
}
