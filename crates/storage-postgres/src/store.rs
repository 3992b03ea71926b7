//! The store as callers see it.

use std::sync::Arc;

use async_trait::async_trait;
use quire_domain::{Base, Notebook, NotebookId, SecretKeys, Timestamp, UserId};
use quire_storage::{
    AnswerKey, Commit, Digested, Health, KeptAnswer, ListFilter, Loaded, NotebookStore, Page, PageRequest, SearchPage,
    SearchText, StoreError, StoreEvent, Usage, Version,
};
use tokio::sync::broadcast;

use crate::database::{Database, Options};
use crate::error::{Error, OpenError};
use crate::health::Doctor;
use crate::pooling::Pooling;
use crate::url::DatabaseUrl;
use crate::{Resealed, answers, commit, generation, list, reseal, search, usage, whole};

/// Notebooks in a PostgreSQL database, whose schema is `quire-migration`'s.
///
/// Any number of stores, in any number of processes, may use one database at once: which of two changes comes first is
/// decided by the database, in the statement that makes the change. A change is one statement, and one round trip; what
/// became of one whose answer was lost is found out by the commit's id, which is stored with it.
///
/// A dropped call's statement may still happen. Needs a Tokio runtime.
#[derive(Debug)]
pub struct PostgresNotebookStore {
    pub(crate) database: Database,
    doctor: Doctor,
    /// Nobody sends yet: other processes' changes are found when something is committed.
    events: broadcast::Sender<StoreEvent>,
}

impl PostgresNotebookStore {
    /// A store in this database. Connects when it is first needed, so that a server can start while the database is away;
    /// [`Self::connect`] does so now.
    ///
    /// # Errors
    /// When the settings do not make sense, or a file that they name cannot be read.
    pub fn new(url: DatabaseUrl, options: Options) -> Result<Self, OpenError> {
        let options = options.of(&url);
        let pooling = Arc::new(Pooling::new(url.is_pooled()));
        let doctor = Doctor::new(url.clone(), options.clone(), Arc::clone(&pooling))?;
        Ok(Self { database: Database::new(url, options, pooling)?, doctor, events: broadcast::channel(1).0 })
    }

    /// Refuses every call as [`StoreError::Unavailable`], from now on until [`Self::release`], and says that the database is
    /// disconnected: for a program that serves before it could check the database's schema.
    pub fn hold(&self) {
        self.database.hold(true);
        self.doctor.hold(true);
    }

    /// Ends [`Self::hold`].
    pub fn release(&self) {
        self.database.hold(false);
        self.doctor.hold(false);
    }

    /// Waits until the database has answered.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn connect(&self) -> Result<(), OpenError> {
        self.database.fetch_optional(sqlx::query("SELECT 1")).await.map_err(Error::of_look)?;
        self.doctor.prepare().await;
        Ok(())
    }

    /// Seals every connection string with the current key, those that are sealed with the old one anew; for
    /// `quire-migrate reseal`. Can be cut off and repeated, and servers that have both keys may go on meanwhile.
    ///
    /// # Errors
    /// When the database fails; what was resealed until then stays so.
    pub async fn reseal(&self, keys: &SecretKeys) -> Result<Resealed, StoreError> {
        let nonce = || {
            let mut nonce = [0; 24];
            getrandom::fill(&mut nonce).map(|()| nonce)
        };
        reseal::reseal(&self.database, keys, nonce).await.map_err(|error| error.of_read("reseal connection strings"))
    }

    /// Gives all notebooks new lives; for `quire-migrate new-generation`, after a restore from a backup. Returns how many there
    /// are. Can be cut off and repeated.
    ///
    /// # Errors
    /// When the database fails; what was renewed until then stays so.
    pub async fn renew_lives(&self) -> Result<u64, StoreError> {
        generation::renew(&self.database).await.map_err(|error| error.of_read("give notebooks new lives"))
    }

    /// Closes all connections, when the calls under way have ended.
    pub async fn close(&self) {
        self.database.close().await;
        self.doctor.close().await;
    }
}

#[async_trait]
impl NotebookStore for PostgresNotebookStore {
    async fn create(&self, notebook: &Notebook, answer: Option<&KeptAnswer>) -> Result<Version, StoreError> {
        whole::create(&self.database, notebook, answer).await.map_err(|error| error.of(&notebook.id, "create"))
    }

    async fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, StoreError> {
        whole::load(&self.database, id).await.map_err(|error| error.of_load(id))
    }

    async fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, StoreError> {
        whole::owner(&self.database, id).await.map_err(|error| error.of_load(id))
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<Version, StoreError> {
        commit::commit(&self.database, &commit).await.map_err(|error| error.of(&commit.after.id, "save"))
    }

    async fn replace(&self, base: Base, notebook: &Notebook) -> Result<Version, StoreError> {
        whole::replace(&self.database, base, notebook).await.map_err(|error| error.of(&notebook.id, "replace"))
    }

    async fn digests(&self, ids: &[NotebookId]) -> Result<Vec<Digested>, StoreError> {
        whole::digests(&self.database, ids).await.map_err(|error| error.of_read("read digests"))
    }

    async fn delete(&self, id: &NotebookId, base: Base, answer: Option<&KeptAnswer>) -> Result<(), StoreError> {
        whole::delete(&self.database, id, base, answer).await.map_err(|error| error.of(id, "delete"))
    }

    async fn keep(&self, answers: &[KeptAnswer]) -> Result<(), StoreError> {
        answers::keep(&self.database, answers).await.map_err(|error| error.of_read("keep answers"))
    }

    async fn answer(&self, user: &UserId, key: &AnswerKey, now: Timestamp) -> Result<Option<KeptAnswer>, StoreError> {
        let found = answers::find(&self.database, user, *key, now).await;
        found.map_err(|error| error.of_read("look an answer up"))
    }

    async fn forget_answers(&self, users: &[UserId], now: Timestamp) -> Result<(), StoreError> {
        answers::forget(&self.database, users, now).await.map_err(|error| error.of_read("forget answers"))
    }

    async fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, StoreError> {
        list::list(&self.database, filter, page).await.map_err(|error| error.of_read("list notebooks"))
    }

    async fn search(&self, owner: &UserId, text: &SearchText, page: &PageRequest) -> Result<SearchPage, StoreError> {
        let found = search::search(&self.database, owner, text, page).await;
        found.map_err(|error| error.of_read("search notebooks"))
    }

    async fn usage(&self, owner: &UserId) -> Result<Usage, StoreError> {
        usage::usage(&self.database, owner).await.map_err(|error| error.of_read("add up what a user keeps"))
    }

    async fn health(&self) -> Health {
        self.database.tidy(); // whoever watches the health comes by even when nobody else does
        self.doctor.look().await
    }

    fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.events.subscribe()
    }
}
