//! A service over a real store, and a wrapper that makes the store slow or failing where a test says so.

use std::collections::{HashSet, VecDeque};
use std::fmt::{self, Debug, Formatter};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use quire_domain::{Base, CellId, CellType, Edit, Notebook, NotebookId, Place, Timestamp, UserId};
use quire_service::{NotebookService, Options};
use quire_storage::{
    Commit, Digested, Health, IdempotencyKey, IdempotencyRecord, ListFilter, Loaded, NotebookStore, Page, PageRequest,
    SearchPage, SearchText, StoreError, StoreEvent, StoredVersion, Usage, Version,
};
use quire_storage_json::JsonNotebookStore;
use tempfile::TempDir;
use tokio::sync::{Semaphore, broadcast, oneshot};

/// What happens to a commit.
pub(crate) enum Fault {
    /// The store refuses it with this.
    Refuse(StoreError),
    /// It happens, and the answer is lost.
    LoseAnswer,
    /// The store refuses every commit of more than one change.
    RefuseGroups,
}

/// The real store, with faults.
pub(crate) struct Faulty {
    pub(crate) inner: JsonNotebookStore,
    pub(crate) loads: AtomicUsize,
    /// How often it was asked whose a notebook is.
    pub(crate) owners: AtomicUsize,
    /// So many loads from now on fail.
    pub(crate) failing_loads: AtomicUsize,
    /// How many changes each successful commit had.
    pub(crate) commits: Mutex<Vec<usize>>,
    /// How many answers each call kept that kept answers alone.
    pub(crate) keeps: Mutex<Vec<usize>>,
    /// A commit takes a permit and keeps it.
    pub(crate) gate: Semaphore,
    /// A commit that waits for the gate adds a permit here, so that a test can wait for it.
    pub(crate) waiting: Semaphore,
    /// A look for a kept answer adds a permit here when it is done.
    pub(crate) looks: Semaphore,
    pub(crate) faults: Mutex<VecDeque<Fault>>,
    /// Runs after the next load, before its answer.
    pub(crate) after_load: Mutex<Option<Hook>>,
    /// The next delete happens, and its answer is lost.
    pub(crate) lose_delete: AtomicBool,
    /// The next look for a kept answer fails.
    pub(crate) fail_look: AtomicBool,
    pub(crate) turnstile: Turnstile,
}

/// Holds calls where a test says so, and tells which have come.
pub(crate) struct Turnstile {
    /// The names of the calls that are held.
    held: Mutex<HashSet<&'static str>>,
    /// Whose calls have come, or of which notebook, and what lets each go on.
    come: Mutex<Vec<(String, Option<oneshot::Sender<()>>)>>,
    comings: Semaphore,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self { held: Mutex::default(), come: Mutex::default(), comings: Semaphore::new(0) }
    }
}

impl Turnstile {
    pub(crate) fn hold(&self, call: &'static str) {
        self.held.lock().unwrap().insert(call);
    }

    /// Waits until so many more calls are held, and tells whose have been held so far.
    pub(crate) async fn come(&self, more: u32) -> Vec<String> {
        self.comings.acquire_many(more).await.unwrap().forget();
        self.come.lock().unwrap().iter().map(|(whose, _)| whose.clone()).collect()
    }

    /// Lets the call at this place go on.
    pub(crate) fn let_one(&self, place: usize) {
        self.come.lock().unwrap()[place].1.take().unwrap().send(()).unwrap();
    }

    /// Lets all calls go on, and holds none any more.
    pub(crate) fn let_all(&self) {
        self.held.lock().unwrap().clear();
        for (_, go_on) in self.come.lock().unwrap().drain(..) {
            drop(go_on);
        }
    }

    async fn pass(&self, call: &'static str, whose: &str) {
        if self.held.lock().unwrap().contains(call) {
            let (go_on, may_go_on) = oneshot::channel();
            self.come.lock().unwrap().push((whose.to_owned(), Some(go_on)));
            self.comings.add_permits(1);
            let _ = may_go_on.await; // either way
        }
    }
}

pub(crate) type Hook = Box<dyn FnOnce() -> futures_util::future::BoxFuture<'static, ()> + Send>;

impl Debug for Faulty {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl NotebookStore for Faulty {
    async fn create(&self, notebook: &Notebook, answer: Option<&IdempotencyRecord>) -> Result<Version, StoreError> {
        self.inner.create(notebook, answer).await
    }

    async fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let one_less = |failing: usize| failing.checked_sub(1);
        if self.failing_loads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(StoreError::Unavailable { reason: "a test said so".to_owned(), source: None });
        }
        self.turnstile.pass("load", id.as_str()).await;
        let loaded = self.inner.load(id).await;
        let hook = self.after_load.lock().unwrap().take();
        if let Some(hook) = hook {
            hook().await;
        }
        loaded
    }

    async fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, StoreError> {
        self.owners.fetch_add(1, Ordering::SeqCst);
        self.inner.owner(id).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<Version, StoreError> {
        self.waiting.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            Some(Fault::Refuse(error)) => return Err(error),
            Some(Fault::LoseAnswer) => {
                self.inner.commit(commit).await?;
                return Err(StoreError::OutcomeUnknown { id: commit.after.id.clone() });
            }
            Some(Fault::RefuseGroups) => {
                self.faults.lock().unwrap().push_front(Fault::RefuseGroups);
                if commit.changes.len() > 1 {
                    return Err(full(&commit.after.id));
                }
            }
            None => {}
        }
        let version = self.inner.commit(commit).await?;
        self.commits.lock().unwrap().push(commit.changes.len());
        Ok(version)
    }

    async fn replace(&self, base: Base, notebook: &Notebook) -> Result<Version, StoreError> {
        self.inner.replace(base, notebook).await
    }

    async fn digests(&self, ids: &[NotebookId]) -> Result<Vec<Digested>, StoreError> {
        self.inner.digests(ids).await
    }

    async fn versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        self.inner.versions(ids).await
    }

    async fn delete(&self, id: &NotebookId, base: Base, answer: Option<&IdempotencyRecord>) -> Result<(), StoreError> {
        self.inner.delete(id, base, answer).await?;
        if self.lose_delete.swap(false, Ordering::SeqCst) {
            return Err(StoreError::OutcomeUnknown { id: id.clone() });
        }
        Ok(())
    }

    async fn keep(&self, answers: &[IdempotencyRecord]) -> Result<(), StoreError> {
        self.keeps.lock().unwrap().push(answers.len());
        self.inner.keep(answers).await
    }

    async fn answer(
        &self,
        user: &UserId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        if self.fail_look.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Unavailable { reason: "a test said so".to_owned(), source: None });
        }
        let found = self.inner.answer(user, key, now).await;
        self.looks.add_permits(1);
        found
    }

    async fn delete_old_records(&self, users: &[UserId], now: Timestamp) -> Result<(), StoreError> {
        self.inner.delete_old_records(users, now).await
    }

    async fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, StoreError> {
        self.turnstile.pass("list", filter.owner.as_ref().map_or("", |owner| owner.as_str())).await;
        self.inner.list(filter, page).await
    }

    async fn search(&self, owner: &UserId, text: &SearchText, page: &PageRequest) -> Result<SearchPage, StoreError> {
        self.turnstile.pass("search", owner.as_str()).await;
        self.inner.search(owner, text, page).await
    }

    async fn usage(&self, owner: &UserId) -> Result<Usage, StoreError> {
        self.inner.usage(owner).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.inner.subscribe()
    }
}

pub(crate) fn full(id: &NotebookId) -> StoreError {
    StoreError::Full { id: id.clone(), reason: "a test said so".to_owned() }
}

/// A service, its store, and the directory, which goes when this does.
pub(crate) struct World {
    pub(crate) service: NotebookService,
    pub(crate) store: Arc<Faulty>,
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Faulty {
            inner: JsonNotebookStore::open(dir.path(), quire_storage_json::Options::default()).unwrap(),
            loads: AtomicUsize::new(0),
            owners: AtomicUsize::new(0),
            failing_loads: AtomicUsize::new(0),
            commits: Mutex::default(),
            keeps: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            waiting: Semaphore::new(0),
            looks: Semaphore::new(0),
            faults: Mutex::default(),
            after_load: Mutex::default(),
            lose_delete: AtomicBool::new(false),
            fail_look: AtomicBool::new(false),
            turnstile: Turnstile::default(),
        });
        let service = NotebookService::new(Arc::clone(&store) as Arc<dyn NotebookStore>, options).unwrap();
        Self { service, store, dir }
    }

    /// A second service on the same store, as another instance would be.
    pub(crate) fn second(&self) -> NotebookService {
        self.another(options())
    }

    /// As [`Self::second`], with options of its own.
    pub(crate) fn another(&self, options: Options) -> NotebookService {
        NotebookService::new(Arc::clone(&self.store) as Arc<dyn NotebookStore>, options).unwrap()
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.store.faults.lock().unwrap().push_back(fault);
    }

    /// Holds all commits until the gate is opened.
    pub(crate) fn close_gate(&self) {
        self.store.gate.forget_permits(usize::MAX);
    }

    pub(crate) fn open_gate(&self) {
        self.store.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Makes these edits in one commit, by sending them while the commit of the first is held.
    pub(crate) async fn together(&self, id: &NotebookId, first: Edit, others: Vec<Edit>) {
        self.close_gate();
        self.store.waiting.forget_permits(usize::MAX); // of earlier commits
        let send = |edit| {
            let (service, id) = (self.service.clone(), id.clone());
            tokio::spawn(async move { service.edit(&ann(), &id, None, edit).await.unwrap() })
        };
        let count = others.len();
        let mut edits = vec![send(first)];
        self.commits_waiting(1).await;
        edits.extend(others.into_iter().map(send));
        // None of them waits for anything before it is in the queue, so once round would do.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.open_gate();
        for edit in edits {
            edit.await.unwrap();
        }
        assert_eq!(self.store.commits.lock().unwrap().last(), Some(&count));
    }

    /// Waits until so many commits have come as far as the gate since the last call.
    pub(crate) async fn commits_waiting(&self, count: u32) {
        self.store.waiting.acquire_many(count).await.unwrap().forget();
    }

    /// Waits until so many looks for a kept answer are done since the last call.
    pub(crate) async fn looks(&self, count: u32) {
        self.store.looks.acquire_many(count).await.unwrap().forget();
    }

    /// Holds the next load before its answer: the first end says that it has come so far, the second lets it go on.
    pub(crate) fn hold_next_load(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (reached, is_reached) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel();
        *self.store.after_load.lock().unwrap() = Some(Box::new(|| {
            Box::pin(async {
                reached.send(()).unwrap();
                may_go_on.await.unwrap();
            })
        }));
        (is_reached, go_on)
    }

    /// A notebook of `ann` with one empty cell.
    pub(crate) async fn notebook(&self) -> (NotebookId, CellId) {
        let id = self.service.create(&ann()).await.unwrap();
        let cell = self.service.get(&ann(), &id).await.unwrap().notebook.cells.get(0).unwrap().id.clone();
        (id, cell)
    }
}

/// As for a directory of files without a secret key.
pub(crate) fn options() -> Options {
    Options { plain_connections: true, ..Options::default() }
}

pub(crate) fn ann() -> UserId {
    UserId::new("ann").unwrap()
}

pub(crate) fn bob() -> UserId {
    UserId::new("bob").unwrap()
}

pub(crate) fn update(cell: &CellId, code: &str) -> Edit {
    Edit::UpdateCell { id: cell.clone(), code: Arc::from(code) }
}

pub(crate) fn insert(id: &str, code: &str) -> Edit {
    Edit::InsertCell {
        id: CellId::new(id).unwrap(),
        cell_type: CellType::Python,
        code: Arc::from(code),
        place: Place::End,
    }
}

pub(crate) fn codes(notebook: &Notebook) -> Vec<String> {
    notebook.cells.iter().map(|cell| cell.code.to_string()).collect()
}
