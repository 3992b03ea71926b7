//! A service over a real store that is slow or fails where a test says so.

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

/// What happens to a commit.
pub(crate) enum Fault {
    /// The store refuses it with this.
    Refuse(StoreError),
    /// It happens, and the answer is lost.
    LoseAnswer,
    /// The store refuses every commit of more than one change.
    RefuseGroups,
}

/// What a test does to the calls of the store, and what it has seen of them.
pub(crate) struct StoreFaults {
    pub(crate) loads: AtomicUsize,
    /// How often it was asked whose a notebook is.
    pub(crate) owners: AtomicUsize,
    /// So many loads from now on fail.
    pub(crate) failing_loads: AtomicUsize,
    /// How many changes each successful commit had.
    pub(crate) commits: Mutex<Vec<usize>>,
    /// How many records each call stored that stored records alone.
    pub(crate) puts: Mutex<Vec<usize>>,
    /// A commit takes a permit and keeps it.
    gate: Semaphore,
    /// A commit that waits for the gate adds a permit here, so that a test can wait for it.
    waiting: Semaphore,
    /// A look for a record adds a permit here when it is done.
    pub(crate) looks: Semaphore,
    next: Mutex<VecDeque<Fault>>,
    /// Runs after the next load, before its answer.
    pub(crate) after_load: Mutex<Option<Hook>>,
    /// The next delete happens, and its answer is lost.
    pub(crate) lose_delete: AtomicBool,
    /// The next look for a record fails.
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
            looks: Semaphore::new(0),
            next: Mutex::default(),
            after_load: Mutex::default(),
            lose_delete: AtomicBool::new(false),
            fail_look: AtomicBool::new(false),
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
            Call::Record(_) if self.fail_look.swap(false, Ordering::SeqCst) => return Err(unavailable()),
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
                let loses = |fault: &mut Fault| matches!(fault, Fault::LoseAnswer);
                if self.next.lock().unwrap().pop_front_if(loses).is_some() {
                    return Err(StoreError::OutcomeUnknown { id: commit.after.id.clone() });
                }
                self.commits.lock().unwrap().push(commit.changes.len());
            }
            Call::Delete(delete) if self.lose_delete.swap(false, Ordering::SeqCst) => {
                return Err(StoreError::OutcomeUnknown { id: delete.id.clone() });
            }
            Call::Record(_) => self.looks.add_permits(1),
            _ => {}
        }
        Ok(())
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { reason: "a test said so".to_owned(), source: None }
}

pub(crate) fn full(id: &NotebookId) -> StoreError {
    StoreError::Full { id: id.clone(), reason: "a test said so".to_owned() }
}

/// A service, its store, and the directory, which goes when this does.
pub(crate) struct World {
    pub(crate) service: NotebookService,
    /// The store as the service has it.
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

    /// A second service on the same store, as another instance would be.
    pub(crate) fn second(&self) -> NotebookService {
        self.another(options())
    }

    /// As [`Self::second`], with options of its own.
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
        // None of them waits for anything before it is in the queue, so once round would do.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.open_gate();
        for edit in edits {
            edit.await.unwrap();
        }
        assert_eq!(self.faults.commits.lock().unwrap().last(), Some(&count));
    }

    /// Waits until so many commits have come as far as the gate since the last call.
    pub(crate) async fn commits_waiting(&self, count: u32) {
        self.faults.waiting.acquire_many(count).await.unwrap().forget();
    }

    /// Waits until so many looks for a record are done since the last call.
    pub(crate) async fn looks(&self, count: u32) {
        self.faults.looks.acquire_many(count).await.unwrap().forget();
    }

    /// Holds the next load before its answer: the first end says that it has come so far, the second lets it go on.
    pub(crate) fn hold_next_load(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (reached, is_reached) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel();
        *self.faults.after_load.lock().unwrap() = Some(Box::new(|| {
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
