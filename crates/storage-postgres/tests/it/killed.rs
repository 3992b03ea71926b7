//! PostgreSQL is killed again and again under load: what was acknowledged is there, and nothing by half.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use quire_domain::{CellId, Edit, NotebookId};
use quire_service::NotebookService;
use quire_storage::StoreError;
use quire_storage::prelude::*;
use quire_storage_postgres::PostgresNotebookStore;
use quire_test_postgres::{Database, Server, Settings};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{Editor, ann, cell_id, load, notebook, notebook_id, open, printed, until, update};

const KILLS: u64 = 20;
/// Edits that are acknowledged between two kills.
const BETWEEN: u64 = 100;
const WRITERS_OF_HOT: usize = 8;
const QUIET: usize = 4;

/// State that all writers share.
struct Load {
    store: Arc<PostgresNotebookStore>,
    service: NotebookService,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    /// `true` while the server runs, so that writers do not retry in vain.
    up: watch::Sender<bool>,
    over: AtomicBool,
}

/// A writer's numbers, each one more than the last: of those that it wrote into its cell, the last that was
/// acknowledged and the last that it tried.
#[derive(Debug, Clone)]
struct Written {
    notebook: NotebookId,
    cell: CellId,
    acknowledged: u64,
    tried: u64,
    /// The last revision that an edit of this writer was given.
    revision: i64,
}

impl Written {
    /// What is stored now is what was acknowledged last, or one of those that were not since.
    fn check(&self, stored: &quire_domain::Notebook) {
        let number = number_in(stored, &self.cell);
        assert!((self.acknowledged..=self.tried).contains(&number), "stored is {number}: {self:?}");
        assert!(stored.revision.0 >= self.revision, "at {}: {self:?}", stored.revision);
    }
}

fn number_in(notebook: &quire_domain::Notebook, cell: &CellId) -> u64 {
    notebook.cells.find(cell).unwrap().code.parse().unwrap()
}

impl Load {
    /// Counts an answer, and after a failure waits until the server is there.
    async fn count<T>(&self, answer: Result<T, String>) -> Option<T> {
        let Ok(answer) = answer else {
            self.failed.fetch_add(1, Ordering::SeqCst);
            self.up.subscribe().wait_for(|up| *up).await.unwrap();
            return None;
        };
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        Some(answer)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Writes through the service, as the product does: edits that come together become one commit.
    async fn write(self: Arc<Self>, mut written: Written) -> Written {
        while !self.is_over() {
            written.tried += 1;
            let edit = Edit::UpdateCell { id: written.cell.clone(), code: written.tried.to_string().into() };
            let answer = self.service.edit(&ann(), &written.notebook, None, edit).await;
            if let Some(edited) = self.count(answer.map_err(|error| error.to_string())).await {
                assert!(edited.revision.0 > written.revision, "revision {} again: {written:?}", edited.revision);
                written.acknowledged = written.tried;
                written.revision = edited.revision.0;
            }
        }
        written
    }

    /// Writes the same number into two cells and into results with outputs, all in one commit.
    async fn write_groups(self: Arc<Self>, mut written: Written) -> Written {
        while !self.is_over() {
            written.tried += 1;
            let number = written.tried.to_string();
            let once = async {
                let loaded = self.store.load(&written.notebook).await?.expect("nobody deletes it");
                assert_whole(&loaded.notebook);
                let mut editor = Editor { open: quire_domain::OpenNotebook::open(loaded.notebook) };
                let outputs = usize::try_from(written.tried % 4).unwrap();
                let edits = [update("a", &number), printed("b", &number, outputs), update("b", &number)];
                editor.commit(&*self.store, &edits).await?;
                Ok(editor.revision())
            };
            let answer: Result<i64, StoreError> = once.await;
            if let Some(revision) = self.count(answer.map_err(|error| error.to_string())).await {
                written.acknowledged = written.tried;
                written.revision = revision;
            }
        }
        written
    }
}

/// Of a group, either everything is there or nothing.
fn assert_whole(notebook: &quire_domain::Notebook) {
    let b = notebook.cells.find(&cell_id("b")).unwrap();
    let number = number_in(notebook, &cell_id("a"));
    assert_eq!(&*b.code, number.to_string(), "half a group");
    assert_eq!(b.results.stdout, number.to_string(), "half a group");
    assert_eq!(b.results.outputs.len() as u64, number % 4, "half a group");
    assert!(b.results.outputs.iter().all(|output| output.data.as_str() == format!("\"{number}\"")), "half a group");
    assert_eq!(u64::try_from(notebook.revision.0).unwrap() % 2, 0, "each group is two edits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_twenty_kills() {
    // So that a start after a kill does not open and sync each file of the data folder, which takes seconds: what a killed
    // process wrote is with the operating system, which goes on.
    let conf = vec!["recovery_init_sync_method = syncfs".to_owned()];
    let server = Arc::new(Server::start(&Settings { conf, fsync: true, ..Settings::default() }));
    let database = Database::on(&server).await;
    let store = open(&database);
    let service = NotebookService::new(store.clone(), quire_service::Options::default()).unwrap();
    let (up, _) = watch::channel(true);
    let counts = (AtomicU64::new(0), AtomicU64::new(0));
    let load_of = Load { store, service, acknowledged: counts.0, failed: counts.1, up, over: AtomicBool::new(false) };
    let world = Arc::new(load_of);

    let mut writers = JoinSet::new();
    let written = |notebook: &str, cell: &str| {
        let (notebook, cell) = (notebook_id(notebook), cell_id(cell));
        Written { notebook, cell, acknowledged: 0, tried: 0, revision: 0 }
    };
    let names: Vec<String> = (0..WRITERS_OF_HOT).map(|writer| format!("w{writer}")).collect();
    let cells: Vec<_> = names.iter().map(|name| (&**name, "0")).collect();
    world.store.create(&notebook("hot", &cells), None).await.unwrap();
    for name in &names {
        writers.spawn(Arc::clone(&world).write(written("hot", name)));
    }
    for quiet in 0..QUIET {
        let (one, two) = (format!("quiet{quiet}"), format!("groups{quiet}"));
        world.store.create(&notebook(&one, &[("a", "0")]), None).await.unwrap();
        let mut editor = Editor::create(&*world.store, notebook(&two, &[("a", ""), ("b", "")])).await;
        editor.commit(&*world.store, &[update("a", "0"), update("b", "0"), printed("b", "0", 0)]).await.unwrap();
        writers.spawn(Arc::clone(&world).write(written(&one, "a")));
        writers.spawn(Arc::clone(&world).write_groups(written(&two, "a")));
    }

    for kill in 1..=KILLS {
        let before = world.acknowledged.load(Ordering::SeqCst);
        until(&format!("edits are acknowledged before kill {kill}"), async || {
            assert!(writers.try_join_next().is_none(), "a writer ended");
            world.acknowledged.load(Ordering::SeqCst) >= before + BETWEEN
        })
        .await;
        world.up.send_replace(false);
        let server = Arc::clone(&server);
        let restarted = tokio::task::spawn_blocking(move || {
            server.kill();
            server.restart();
        });
        restarted.await.unwrap();
        world.up.send_replace(true);
        for quiet in 0..QUIET {
            assert_whole(&load(&*world.store, &notebook_id(&format!("groups{quiet}"))).await);
        }
    }
    world.over.store(true, Ordering::SeqCst);
    let written = writers.join_all().await;
    world.service.close().await;
    for written in written {
        let stored = load(&*world.store, &written.notebook).await;
        written.check(&stored);
    }
    println!(
        "{} acknowledged, {} failed",
        world.acknowledged.load(Ordering::SeqCst),
        world.failed.load(Ordering::SeqCst)
    );
}
