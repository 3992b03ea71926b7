//! The store: the trait's methods, each as a call of the engine on a thread for blocking work.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quire_domain::{Base, Notebook, NotebookId, Timestamp, UserId};
use quire_storage::{
    Commit, Committed, Delete, Health, IdempotencyRecord, IdempotencyRepository, ListFilter, Loaded, NotebookQueries,
    NotebookRepository, Page, PageRequest, RecordLookup, SearchPage, SearchRequest, StoreError, StoreEvent,
    StoredDigest, StoredVersion, Usage,
};
use tokio::sync::broadcast;

use crate::OpenError;
use crate::calls::Calls;
use crate::engine::{Engine, OwnedCommit};
use crate::error::Error;
use crate::file_poller::FilePoller;
use crate::health::HealthCheck;

/// Maximum time that [`NotebookQueries::health`] waits for the disk.
const HEALTH_WAITS: Duration = Duration::from_millis(800);

/// Settings with which a directory is served; the default suits a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Interval at which all files are scanned for changes from outside; `None` means only when [`JsonNotebookStore::scan_now`]
    /// is called. In a directory so large that a scan takes long, it is done less often.
    pub scan_every: Option<Duration>,
    /// Owner of notebooks whose files name none; `None` means the user `system`.
    pub default_owner: Option<UserId>,
}

impl Default for Options {
    fn default() -> Self {
        Self { scan_every: Some(Duration::from_secs(1)), default_owner: None }
    }
}

/// Notebooks as JSON files in a directory: one file each, so that people and other programs can read, copy and edit them.
///
/// One store serves a directory at a time; a second one, in this process or another, is refused. Within it, work on
/// different notebooks is concurrent, and work on one notebook is done one call after the other. Other programs may edit,
/// add and remove files at any time; their changes are noticed within a second, published to watchers, and never
/// overwritten silently.
///
/// A crash leaves every notebook as it was before or after the change under way, and in `.quire/tmp/` at most a file that
/// the next start removes. When the machine dies, the same holds, since a change is told as made only after `fsync`.
///
/// Files and directories that are removed from `.quire` are made again with the next change, except results of runs. While the directory itself is
/// removed, moved or replaced, every call fails as unavailable.
///
/// Needs a Unix; on file systems that cannot exchange two files, an edit from outside within some microseconds of ours
/// may be overwritten.
///
/// The calls need a Tokio runtime, and do their work on its threads for blocking work, health excepted. Dropping the store waits for the
/// calls under way and lets go of the directory.
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use quire_domain::{Life, Notebook, NotebookId, Timestamp, UserId};
/// use quire_storage::NotebookRepository as _;
/// use quire_storage_json::{JsonNotebookStore, Options};
///
/// let folder = tempfile::tempdir()?;
/// let store = JsonNotebookStore::open(folder.path(), Options::default())?;
/// let (id, owner) = (NotebookId::new("demo")?, UserId::new("ann")?);
/// store.create(&Notebook::new(id.clone(), Life::UNRECORDED, owner, Timestamp::UNIX_EPOCH), None).await?;
/// assert!(store.load(&id).await?.is_some());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JsonNotebookStore {
    engine: Arc<Engine>,
    calls: Arc<Calls>,
    health: HealthCheck,
    poller: Option<FilePoller>,
}

impl JsonNotebookStore {
    /// Opens a directory, making it when it is missing. Blocks while files that are new or changed are read: up to a
    /// second for ten thousand.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another store has the directory, else when the file system refuses.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { dir: dir.to_owned(), action: "start watching", source };
        let owner = options.default_owner.map_or_else(|| UserId::new("system"), Ok);
        let owner = owner.map_err(|error| failed(std::io::Error::other(error)))?;
        let engine = Arc::new(Engine::open(dir, owner)?);
        let poller = options.scan_every.map(|every| FilePoller::start(Arc::clone(&engine), every)).transpose();
        let calls = Arc::default();
        let health = HealthCheck::start(&engine, &calls).map_err(failed)?;
        Ok(Self { engine, calls, health, poller: poller.map_err(failed)? })
    }

    /// Scans all files now. Returns when changes from outside have been noticed and published.
    ///
    /// # Errors
    /// When the file system refuses.
    pub async fn scan_now(&self) -> Result<(), StoreError> {
        self.run(|engine| engine.scan().map_err(Error::from)).await.map_err(unreadable)
    }

    /// Runs work on a thread for blocking work. It runs to its end even when the future is dropped.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let call = self.calls.begin(|| Some(Arc::clone(&self.engine)));
        let done = tokio::task::spawn_blocking(move || {
            let engine = call.engine().ok_or(Error::CutOff)?;
            engine.check_root()?;
            work(engine)
        });
        done.await.unwrap_or(Err(Error::CutOff))
    }

    /// Runs work that changes something, as [`Self::run`] does, after what was removed from `.quire` has been made again.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(|engine| {
            engine.restore_directories()?;
            work(engine)
        })
        .await
    }
}

#[async_trait]
impl NotebookRepository for JsonNotebookStore {
    async fn create(&self, notebook: &Notebook, record: Option<&IdempotencyRecord>) -> Result<Committed, StoreError> {
        let (notebook, record) = (notebook.clone(), record.cloned());
        let id = notebook.id.clone();
        let created = self.change(move |engine| engine.create(&notebook, record.as_slice())).await;
        created.map(|version| Committed { version, previous: None }).map_err(|error| error.of(&id, "create"))
    }

    async fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, StoreError> {
        let owned = id.clone();
        self.run(move |engine| engine.load(&owned)).await.map_err(|error| error.of_read(id))
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<Committed, StoreError> {
        let id = &commit.after.id;
        let commit = OwnedCommit {
            id: commit.id,
            base: commit.base,
            changes: commit.changes.to_vec(),
            after: commit.after.clone(),
            records: commit.records.to_vec(),
            whole: false,
        };
        let outcome = self.change(move |engine| engine.commit(&commit)).await;
        outcome.map_err(|error| error.of(id, "save"))
    }

    async fn replace(&self, base: Base, notebook: &Notebook) -> Result<Committed, StoreError> {
        let (id, notebook) = (notebook.id.clone(), notebook.clone());
        let replaced = self.change(move |engine| engine.replace_notebook(base, notebook)).await;
        replaced.map_err(|error| error.of(&id, "replace"))
    }

    async fn delete(&self, delete: Delete<'_>) -> Result<(), StoreError> {
        let (id, base, record) = (delete.id.clone(), delete.base, delete.record.cloned());
        let deleted = self.change(move |engine| engine.delete(&id, base, record.as_slice())).await;
        deleted.map_err(|error| error.of(delete.id, "delete"))
    }
}

#[async_trait]
impl IdempotencyRepository for JsonNotebookStore {
    async fn put_records(&self, records: &[IdempotencyRecord]) -> Result<(), StoreError> {
        let records = records.to_vec();
        self.change(move |engine| engine.records.put(&records)).await.map_err(Error::of_records)
    }

    async fn record(&self, lookup: RecordLookup<'_>) -> Result<Option<IdempotencyRecord>, StoreError> {
        let (user, RecordLookup { key, now, .. }) = (lookup.user.clone(), lookup);
        self.run(move |engine| engine.record(&user, key, now)).await.map_err(Error::of_records)
    }

    async fn delete_old_records(&self, users: &[UserId], now: Timestamp) -> Result<(), StoreError> {
        let users = users.to_vec();
        self.change(move |engine| Ok(engine.records.delete_old(&users, now)?)).await.map_err(Error::of_records)
    }
}

#[async_trait]
impl NotebookQueries for JsonNotebookStore {
    async fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, StoreError> {
        let owned = id.clone();
        self.run(move |engine| engine.owner(&owned)).await.map_err(|error| error.of_read(id))
    }

    async fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, StoreError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.run(move |engine| engine.list(&filter, &page)).await.map_err(unreadable)
    }

    async fn search(&self, search: SearchRequest<'_>) -> Result<SearchPage, StoreError> {
        let (owner, text, page) = (search.owner.clone(), search.text.clone(), search.page.clone());
        self.run(move |engine| engine.search(&owner, &text, &page)).await.map_err(unreadable)
    }

    async fn digests(&self, ids: &[NotebookId]) -> Result<Vec<StoredDigest>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let owned = id.clone();
            found.extend(self.run(move |engine| engine.digest(&owned)).await.map_err(|error| error.of_read(id))?);
        }
        Ok(found)
    }

    async fn usage(&self, owner: &UserId) -> Result<Usage, StoreError> {
        let owner = owner.clone();
        self.run(move |engine| engine.usage(&owner)).await.map_err(unreadable)
    }

    async fn versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let owned = id.clone();
            found.extend(self.run(move |engine| engine.version(&owned)).await.map_err(|error| error.of_read(id))?);
        }
        Ok(found)
    }

    async fn fresh_versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        self.versions(ids).await
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn health(&self) -> Health {
        // A disk that hangs is as good as none.
        tokio::time::timeout(HEALTH_WAITS, self.health.ask()).await.unwrap_or_else(|_elapsed| Engine::bad_health())
    }

    fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.engine.subscribe()
    }
}

/// The error of a call that is about the directory, not about one notebook.
fn unreadable(error: Error) -> StoreError {
    StoreError::Unavailable { reason: "the notebooks' directory cannot be read".into(), source: Some(Box::new(error)) }
}

impl Drop for JsonNotebookStore {
    fn drop(&mut self) {
        self.poller = None;
        self.calls.close();
    }
}
