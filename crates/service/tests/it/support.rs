//! A service over a real store, with injected delays and failures.

use std::collections::{HashSet, VecDeque};
use std::fmt::{self, Debug, Formatter};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use quire_domain::{CellId, CellType, Edit, Notebook, NotebookId, Place, UserId};
use quire_service::{NotebookService, Options};
use quire_storage::{Call, Faults, Faulty, NotebookStore, StoreError};
use quire_storage_json::JsonNotebookStore;
use tempfile::TempDir;
use tokio::sync::{Semaphore, oneshot};

/// A fault of a commit.
pub(crate) enum Fault {
    /// The store refuses the commit with this error.
    Refuse(StoreError),
    /// The commit takes effect, and its response is lost.
    LoseResponse,
    /// The store refuses every commit of more than one change.
    RefuseGroups,
}

/// Faults of the store calls, and counts of the calls.
pub(crate) struct StoreFaults {
    pub(crate) loads: AtomicUsize,
    /// The number of look-ups of an owner.
    pub(crate) owners: AtomicUsize,
    /// The number of loads that fail from now on.
    pub(crate) failing_loads: AtomicUsize,
    /// The number of changes of each successful commit.
    pub(crate) commits: Mutex<Vec<usize>>,
    /// The number of records of each call that stored records alone.
    pub(crate) puts: Mutex<Vec<usize>>,
    /// The gate of commits: each takes a permit and keeps it.
    gate: Semaphore,
    /// A permit for each commit that has reached the gate, so that a test can wait for it.
    waiting: Semaphore,
    /// A permit for each finished look-up of a record.
    pub(crate) record_lookups: Semaphore,
    next: Mutex<VecDeque<Fault>>,
    /// The hook that runs after the next load, before its result is returned.
    pub(crate) after_load: Mutex<Option<Hook>>,
    /// `true` if the response of the next deletion is lost.
    pub(crate) lose_deletion: AtomicBool,
    /// `true` if the next look-up of a record fails.
    pub(crate) fail_record_lookup: AtomicBool,
    pub(crate) turnstile: Turnstile,
}

/// A barrier that holds calls, and lists the held ones.
pub(crate) struct Turnstile {
    /// The names of the calls that are held.
    held: Mutex<HashSet<&'static str>>,
    /// The user or the notebook of each held call, and the channel that releases it.
    calls: Mutex<Vec<(String, Option<oneshot::Sender<()>>)>>,
    arrivals: Semaphore,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self { held: Mutex::default(), calls: Mutex::default(), arrivals: Semaphore::new(0) }
    }
}

impl Turnstile {
    pub(crate) fn hold(&self, call: &'static str) {
        self.held.lock().unwrap().insert(call);
    }

    /// Waits until so many more calls are held. Returns the users or notebooks of all calls that have been held.
    pub(crate) async fn held_calls(&self, more: u32) -> Vec<String> {
        self.arrivals.acquire_many(more).await.unwrap().forget();
        self.calls.lock().unwrap().iter().map(|(whose, _)| whose.clone()).collect()
    }

    /// Releases the call at this place.
    pub(crate) fn release_one(&self, place: usize) {
        self.calls.lock().unwrap()[place].1.take().unwrap().send(()).unwrap();
    }

    /// Releases all calls, and holds no further ones.
    pub(crate) fn release_all(&self) {
        self.held.lock().unwrap().clear();
        for (_, release) in self.calls.lock().unwrap().drain(..) {
            drop(release);
        }
    }

    async fn pass(&self, call: &'static str, whose: &str) {
        if self.held.lock().unwrap().contains(call) {
            let (release, is_released) = oneshot::channel();
            self.calls.lock().unwrap().push((whose.to_owned(), Some(release)));
            self.arrivals.add_permits(1);
            let _ = is_released.await; // a dropped sender releases it too
        }
    }
}

pub(crate) type Hook = Box<dyn FnOnce() -> futures_util::future::BoxFuture<'static, ()> + Send>;

impl Debug for StoreFaults {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("StoreFaults")
    }
}

impl Default for StoreFaults {
    fn default() -> Self {
        Self {
            loads: AtomicUsize::new(0),
            owners: AtomicUsize::new(0),
            failing_loads: AtomicUsize::new(0),
            commits: Mutex::default(),
            puts: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            waiting: Semaphore::new(0),
            record_lookups: Semaphore::new(0),
            next: Mutex::default(),
            after_load: Mutex::default(),
            lose_deletion: AtomicBool::new(false),
            fail_record_lookup: AtomicBool::new(false),
            turnstile: Turnstile::default(),
        }
    }
}

#[async_trait]
impl Faults for StoreFaults {
    async fn before(&self, call: &Call<'_>) -> Result<(), StoreError> {
        match call {
            Call::Load(id) => {
                self.loads.fetch_add(1, Ordering::SeqCst);
                let one_less = |failing: usize| failing.checked_sub(1);
                if self.failing_loads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                    return Err(unavailable());
                }
                self.turnstile.pass("load", id.as_str()).await;
            }
            Call::Owner(_) => drop(self.owners.fetch_add(1, Ordering::SeqCst)),
            Call::Commit(commit) => {
                self.waiting.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
                let mut next = self.next.lock().unwrap();
                if let Some(Fault::Refuse(error)) = next.pop_front_if(|fault| matches!(fault, Fault::Refuse(_))) {
                    return Err(error);
                }
                if commit.changes.len() > 1 && matches!(next.front(), Some(Fault::RefuseGroups)) {
                    return Err(full(&commit.after.id));
                }
            }
            Call::PutRecords(records) => self.puts.lock().unwrap().push(records.len()),
            Call::Record(_) if self.fail_record_lookup.swap(false, Ordering::SeqCst) => return Err(unavailable()),
            Call::List(filter) => self.turnstile.pass("list", filter.owner.as_ref().map_or("", UserId::as_str)).await,
            Call::Search(search) => self.turnstile.pass("search", search.owner.as_str()).await,
            _ => {}
        }
        Ok(())
    }

    async fn after(&self, call: &Call<'_>) -> Result<(), StoreError> {
        match call {
            Call::Load(_) => {
                let hook = self.after_load.lock().unwrap().take();
                if let Some(hook) = hook {
                    hook().await;
                }
            }
            Call::Commit(commit) => {
                let loses = |fault: &mut Fault| matches!(fault, Fault::LoseResponse);
                if self.next.lock().unwrap().pop_front_if(loses).is_some() {
                    return Err(StoreError::OutcomeUnknown { id: commit.after.id.clone() });
                }
                self.commits.lock().unwrap().push(commit.changes.len());
            }
            Call::Delete(delete) if self.lose_deletion.swap(false, Ordering::SeqCst) => {
                return Err(StoreError::OutcomeUnknown { id: delete.id.clone() });
            }
            Call::Record(_) => self.record_lookups.add_permits(1),
            _ => {}
        }
        Ok(())
    }
}

pub(crate) fn unavailable() -> StoreError {
    StoreError::Unavailable { reason: "a test said so".to_owned(), source: None }
}

pub(crate) fn full(id: &NotebookId) -> StoreError {
    StoreError::Full { id: id.clone(), reason: "a test said so".to_owned() }
}

/// A service, its store, and the directory, which is removed with this.
pub(crate) struct World {
    pub(crate) service: NotebookService,
    /// The store of the service, with faults.
    pub(crate) store: Arc<dyn NotebookStore>,
    pub(crate) faults: Arc<StoreFaults>,
    /// The store without faults.
    pub(crate) files: Arc<JsonNotebookStore>,
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = JsonNotebookStore::open(dir.path(), quire_storage_json::Options::default()).unwrap();
        let (files, faults) = (Arc::new(files), Arc::<StoreFaults>::default());
        let store: Arc<dyn NotebookStore> = Arc::new(Faulty::new(files.clone(), faults.clone()));
        let service = NotebookService::new(Arc::clone(&store), options).unwrap();
        Self { service, store, faults, files, dir }
    }

    /// Creates a second service on the same store, like another server.
    pub(crate) fn second(&self) -> NotebookService {
        self.another(options())
    }

    /// Creates a further service on the same store, with these options.
    pub(crate) fn another(&self, options: Options) -> NotebookService {
        NotebookService::new(Arc::clone(&self.store), options).unwrap()
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.faults.next.lock().unwrap().push_back(fault);
    }

    /// Holds all commits until the gate is opened.
    pub(crate) fn close_gate(&self) {
        self.faults.gate.forget_permits(usize::MAX);
    }

    pub(crate) fn open_gate(&self) {
        self.faults.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Makes these edits in one commit, by sending them while the commit of the first is held.
    pub(crate) async fn together(&self, id: &NotebookId, first: Edit, others: Vec<Edit>) {
        self.close_gate();
        self.faults.waiting.forget_permits(usize::MAX); // of earlier commits
        let send = |edit| {
            let (service, id) = (self.service.clone(), id.clone());
            tokio::spawn(async move { service.edit(&ann(), &id, None, edit).await.unwrap() })
        };
        let count = others.len();
        let mut edits = vec![send(first)];
        self.commits_waiting(1).await;
        edits.extend(others.into_iter().map(send));
        // No edit waits before it is in the queue, so one poll of each would suffice.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.open_gate();
        for edit in edits {
            edit.await.unwrap();
        }
        assert_eq!(self.faults.commits.lock().unwrap().last(), Some(&count));
    }

    /// Waits until so many commits have reached the gate since the last call.
    pub(crate) async fn commits_waiting(&self, count: u32) {
        self.faults.waiting.acquire_many(count).await.unwrap().forget();
    }

    /// Waits until so many look-ups of a record have ended since the last call.
    pub(crate) async fn record_lookups(&self, count: u32) {
        self.faults.record_lookups.acquire_many(count).await.unwrap().forget();
    }

    /// Holds the next load before its result is returned. The receiver reports that it is held; the sender releases it.
    pub(crate) fn hold_next_load(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (reached, is_reached) = oneshot::channel();
        let (release, is_released) = oneshot::channel();
        *self.faults.after_load.lock().unwrap() = Some(Box::new(|| {
            Box::pin(async {
                reached.send(()).unwrap();
                is_released.await.unwrap();
            })
        }));
        (is_reached, release)
    }

    /// Creates a notebook of `ann` with one empty cell.
    pub(crate) async fn notebook(&self) -> (NotebookId, CellId) {
        let id = self.service.create(&ann()).await.unwrap();
        let cell = self.service.get(&ann(), &id).await.unwrap().notebook.cells.get(0).unwrap().id.clone();
        (id, cell)
    }
}

/// Returns the options for a directory of files without a secret key.
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
