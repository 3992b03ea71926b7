//! The store: the implementation of the traits of `quire-storage`.

use std::sync::Arc;

use async_trait::async_trait;
use quire_domain::{Base, Notebook, NotebookId, SecretKeys, Timestamp, UserId};
use quire_storage::{
    Commit, Committed, Delete, Health, IdempotencyRecord, IdempotencyRepository, ListFilter, Loaded, NotebookQueries,
    NotebookRepository, Page, PageRequest, RecordLookup, SearchPage, SearchRequest, StoreError, StoreEvent,
    StoredDigest, StoredVersion, Usage,
};
use sea_orm::DatabaseConnection;
use tokio::sync::broadcast;

use crate::connection::Connection;
use crate::database::{Database, Options};
use crate::error::{Error, OpenError};
use crate::health::{self, HealthMonitor};
use crate::pooling::Pooling;
use crate::unresolved::UnresolvedCommits;
use crate::url::DatabaseUrl;
use crate::{Resealed, commit, generation, idempotency, list, notebooks, reseal, rows, search, usage};

/// Notebooks in a PostgreSQL database, whose schema is `quire-migration`'s.
///
/// Any number of stores, in any number of processes, may use one database at the same time: the database orders two changes,
/// in the statement that makes the change. A change is one statement and one round trip. If its response is lost, the outcome
/// is looked up by the commit's id, which is stored with the change.
///
/// The statement of a dropped call may still take effect. The store needs a Tokio runtime.
#[derive(Debug)]
pub struct PostgresNotebookStore {
    pub(crate) connection: Connection,
    unresolved: UnresolvedCommits,
    health: HealthMonitor,
    /// The connection for the registration of servers, shared with the health monitor.
    pub(crate) servers: Connection,
    /// The channel of events, on which nothing is sent: services poll versions to find changes by other processes.
    events: broadcast::Sender<StoreEvent>,
}

impl PostgresNotebookStore {
    /// Creates a store in this database. It connects on demand, so that a server can start while the database is away;
    /// [`Self::connect`] connects at once.
    ///
    /// # Errors
    /// Returns an error if the settings are invalid, or a file that they name cannot be read.
    pub fn new(url: DatabaseUrl, options: Options) -> Result<Self, OpenError> {
        let options = options.of(&url);
        let pooling = Arc::new(Pooling::new(url.is_pooled()));
        let (health, servers) = HealthMonitor::new(url.clone(), options.clone(), Arc::clone(&pooling))?;
        Ok(Self::on(Connection::Own(Box::new(Database::new(url, options, pooling)?)), health, servers))
    }

    /// Creates a store on another program's connections to a database with the schema of `quire-migration`. That program sets
    /// their number and the time-out of statements. The health check uses them too, so a pool whose connections are all in use
    /// for more than half a second looks like a database that is away.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sea_orm::DbErr> {
    /// let connection = sea_orm::Database::connect("postgres://quire_server@localhost/quire").await?;
    /// let store = quire_storage_postgres::PostgresNotebookStore::with_connection(connection);
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_connection(connection: DatabaseConnection) -> Self {
        let health = HealthMonitor::on(Connection::Given(connection.clone()));
        let servers = Connection::Given(connection.clone());
        Self::on(Connection::Given(connection), health, servers)
    }

    fn on(connection: Connection, health: HealthMonitor, servers: Connection) -> Self {
        Self { connection, unresolved: UnresolvedCommits::default(), health, servers, events: broadcast::channel(1).0 }
    }

    async fn load_and_record(&self, id: &NotebookId) -> Result<Option<Loaded>, Error> {
        let loaded = rows::load(&self.connection, id).await?;
        if let Some(loaded) = &loaded {
            self.unresolved.observe(loaded.version);
        }
        Ok(loaded)
    }

    /// Refuses every call with [`StoreError::Unavailable`] until [`Self::release`], and reports the database as disconnected:
    /// for a program that serves before it could check the database's schema. A
    /// [`ServerRegistration`](crate::ServerRegistration) continues.
    pub fn hold(&self) {
        self.connection.hold(true);
        self.health.hold(true);
    }

    /// Ends [`Self::hold`].
    pub fn release(&self) {
        self.connection.hold(false);
        self.health.hold(false);
    }

    /// Waits until the database has answered.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached, or refuses.
    pub async fn connect(&self) -> Result<(), OpenError> {
        health::ping(&self.connection).await.map_err(Error::of_look_up)?;
        self.health.prepare().await;
        Ok(())
    }

    /// Seals every connection string with the current key, including those that are sealed with the old one; for
    /// `quire-migrate reseal`. It can be interrupted and repeated, and servers that have both keys may continue meanwhile.
    ///
    /// # Errors
    /// Returns an error if the database fails. Strings that were resealed before remain so.
    pub async fn reseal(&self, keys: &SecretKeys) -> Result<Resealed, StoreError> {
        reseal::reseal(&self.connection, keys, quire_storage::random_nonce)
            .await
            .map_err(|error| error.of_read("reseal connection strings"))
    }

    /// Gives all notebooks new lives; for `quire-migrate new-generation`, after a restore from a backup. Returns the number of
    /// notebooks. It can be interrupted and repeated.
    ///
    /// # Errors
    /// Returns an error if the database fails. Notebooks that were renewed before remain so.
    pub async fn renew_lives(&self) -> Result<u64, StoreError> {
        generation::renew(&self.connection).await.map_err(|error| error.of_read("give notebooks new lives"))
    }

    /// Closes all connections; those in use close when their calls end.
    pub async fn close(&self) {
        self.connection.close().await;
        self.health.close().await;
    }
}

#[async_trait]
impl NotebookRepository for PostgresNotebookStore {
    async fn create(&self, notebook: &Notebook, record: Option<&IdempotencyRecord>) -> Result<Committed, StoreError> {
        let created = notebooks::create(&self.connection, &self.unresolved, notebook, record).await;
        created.map_err(|error| error.of(&notebook.id, "create"))
    }

    async fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, StoreError> {
        self.load_and_record(id).await.map_err(|error| error.of_load(id))
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<Committed, StoreError> {
        let outcome = commit::commit(&self.connection, &self.unresolved, &commit).await;
        outcome.map_err(|error| error.of(&commit.after.id, "save"))
    }

    async fn replace(&self, base: Base, notebook: &Notebook) -> Result<Committed, StoreError> {
        let replaced = notebooks::replace(&self.connection, &self.unresolved, base, notebook).await;
        replaced.map_err(|error| error.of(&notebook.id, "replace"))
    }

    async fn delete(&self, delete: Delete<'_>) -> Result<(), StoreError> {
        notebooks::delete(&self.connection, delete).await.map_err(|error| error.of(delete.id, "delete"))
    }
}

#[async_trait]
impl IdempotencyRepository for PostgresNotebookStore {
    async fn put_records(&self, records: &[IdempotencyRecord]) -> Result<(), StoreError> {
        idempotency::insert(&self.connection, records).await.map_err(|error| error.of_read("store idempotency records"))
    }

    async fn record(&self, lookup: RecordLookup<'_>) -> Result<Option<IdempotencyRecord>, StoreError> {
        idempotency::find(&self.connection, lookup)
            .await
            .map_err(|error| error.of_read("look up an idempotency record"))
    }

    async fn delete_old_records(&self, users: &[UserId], now: Timestamp) -> Result<(), StoreError> {
        let deleted = idempotency::delete_old(&self.connection, users, now).await;
        deleted.map_err(|error| error.of_read("delete old idempotency records"))
    }
}

#[async_trait]
impl NotebookQueries for PostgresNotebookStore {
    async fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, StoreError> {
        notebooks::owner(&self.connection, id).await.map_err(|error| error.of_load(id))
    }

    async fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, StoreError> {
        list::list(&self.connection, filter, page).await.map_err(|error| error.of_read("list notebooks"))
    }

    async fn search(&self, search: SearchRequest<'_>) -> Result<SearchPage, StoreError> {
        search::search(&self.connection, search).await.map_err(|error| error.of_read("search notebooks"))
    }

    async fn digests(&self, ids: &[NotebookId]) -> Result<Vec<StoredDigest>, StoreError> {
        notebooks::digests(&self.connection, ids).await.map_err(|error| error.of_read("read digests"))
    }

    async fn usage(&self, owner: &UserId) -> Result<Usage, StoreError> {
        usage::usage(&self.connection, owner).await.map_err(|error| error.of_read("add up a user's usage"))
    }

    async fn versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        notebooks::versions(&self.connection, ids).await.map_err(|error| error.of_read("look versions up"))
    }

    async fn fresh_versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        match notebooks::fresh_versions(&self.connection, ids).await {
            Ok(Some(versions)) => Ok(versions),
            Ok(None) => Err(StoreError::Unavailable {
                reason: "the database server is in recovery, so what it holds may be out of date".to_owned(),
                source: None,
            }),
            Err(error) => Err(error.of_read("look versions up")),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn health(&self) -> Health {
        self.connection.tidy(); // health checks are periodic, even without other calls
        self.health.check().await
    }

    fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.events.subscribe()
    }
}
