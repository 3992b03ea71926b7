//! What the store costs beside what the database can do at best, on one server and in one run: `cargo bench -p
//! quire-storage-postgres`. Prints ratios; takes about two minutes.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark may panic, and rounds")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quire_domain::{
    Cell, CellId, CellStatus, CellType, Edit, Extra, Json, Notebook, NotebookId, OpenNotebook, OrderKey, Output,
    Results, Revision, Timestamp, UserId,
};
use quire_service::NotebookService;
use quire_storage::prelude::*;
use quire_storage::{Commit, CommitId, NotebookStore};
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};
use quire_test_postgres::{Database, Pgbench, Server, Settings};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::runtime::Runtime;
use uuid::Uuid;

const CONNECTIONS: usize = 16;
const NOTEBOOKS: usize = 1_000;
const CODE_BYTES: usize = 600;
const RUN: Duration = Duration::from_secs(3);
const ROUNDS: u32 = 3;

fn main() {
    let runtime = Runtime::new().unwrap();
    let server = Server::start(&Settings { fsync: true, ..Settings::default() });
    let database = runtime.block_on(Database::on(&server));
    let store = runtime.block_on(async { store(&database) });
    let bench = Bench { runtime, database, store };
    bench.edits();
    bench.hot_notebook();
    bench.large_notebook();
    bench.loads("300 bytes", 300);
    bench.loads("10 KB", 10_000);
}

fn store(database: &Database) -> Arc<PostgresNotebookStore> {
    let options = Options { max_connections: 16, ..Options::default() };
    Arc::new(PostgresNotebookStore::new(DatabaseUrl::parse(database.url()).unwrap(), options).unwrap())
}

struct Bench {
    runtime: Runtime,
    database: Database,
    store: Arc<PostgresNotebookStore>,
}

fn user() -> UserId {
    UserId::new("ann").unwrap()
}

fn notebook(id: &str, cells: usize, outputs: &[Output]) -> Notebook {
    let mut notebook =
        Notebook::new(NotebookId::new(id).unwrap(), quire_domain::Life::UNRECORDED, user(), Timestamp::default());
    let code: Arc<str> = format!("# {}", "x".repeat(CODE_BYTES - 2)).into();
    let status = if outputs.is_empty() { CellStatus::Idle } else { CellStatus::Success };
    let results = Arc::new(Results { status, outputs: outputs.to_vec(), ..Results::default() });
    let cell = |number: usize| Cell {
        id: CellId::new(format!("cell{number}")).unwrap(),
        order: OrderKey::at(number),
        cell_type: CellType::Python,
        code: Arc::clone(&code),
        revision: Revision(0),
        analysis: Arc::default(),
        broken: None,
        results: Arc::clone(&results),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    };
    notebook.cells = (0..cells).map(cell).collect();
    notebook
}

fn update(cell: usize, number: u64) -> Edit {
    let code = format!("# {number:08} {}", "x".repeat(CODE_BYTES - 11));
    Edit::UpdateCell { id: CellId::new(format!("cell{cell}")).unwrap(), code: code.into() }
}

/// An author who edits one notebook at the store.
struct Author {
    store: Arc<PostgresNotebookStore>,
    open: OpenNotebook,
    number: u64,
}

impl Author {
    async fn edit(&mut self) {
        self.number += 1;
        let base = self.open.notebook().base();
        let cells = self.open.notebook().cells.len() as u64;
        let edit = update(usize::try_from(self.number % cells).unwrap(), self.number);
        let change = Arc::new(self.open.apply(&edit, None, Timestamp::default()).unwrap().unwrap());
        let id = CommitId(Uuid::new_v4());
        let commit = Commit { id, base, changes: &[change], after: self.open.notebook(), records: &[] };
        self.store.commit(commit).await.unwrap();
    }
}

impl Bench {
    fn author(&self, id: &str, cells: usize) -> Author {
        let notebook = notebook(id, cells, &[]);
        self.runtime.block_on(self.store.create(&notebook, None)).unwrap();
        Author { store: Arc::clone(&self.store), open: OpenNotebook::open(notebook), number: 0 }
    }

    /// Edits at the store, beside one prepared `UPDATE` of an equal row by `pgbench`.
    fn edits(&self) {
        let mut authors: Vec<Author> = (0..NOTEBOOKS).map(|n| self.author(&format!("edits{n:04}"), 20)).collect();
        let yardstick = self.runtime.block_on(Pgbench::prepare(&self.database, CODE_BYTES));
        let (mut edits, mut pgbench) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            pgbench += yardstick.rate(CONNECTIONS, RUN) / f64::from(ROUNDS);
            let rate;
            (authors, rate) = self.edit_for_a_while(authors);
            edits += rate / f64::from(ROUNDS);
        }
        report("edits at the store, 16 connections", edits, "pgbench, one prepared UPDATE of an equal row", pgbench);
    }

    fn edit_for_a_while(&self, authors: Vec<Author>) -> (Vec<Author>, f64) {
        let mut shares: Vec<Vec<Author>> = (0..CONNECTIONS).map(|_| Vec::new()).collect();
        for (number, author) in authors.into_iter().enumerate() {
            shares[number % CONNECTIONS].push(author);
        }
        let (count, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let tasks: Vec<_> = shares
            .into_iter()
            .map(|mut share| {
                let count = Arc::clone(&count);
                self.runtime.spawn(async move {
                    let mut next = 0;
                    while start.elapsed() < RUN {
                        let author = next % share.len();
                        share[author].edit().await;
                        next += 1;
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    share
                })
            })
            .collect();
        let mut authors = Vec::new();
        for task in tasks {
            authors.extend(self.runtime.block_on(task).unwrap());
        }
        (authors, count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
    }

    fn execute(&self, sql: &str) {
        let run = async {
            let mut connection = self.database.connect().await;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        };
        self.runtime.block_on(run);
    }

    /// Sixteen writers on one notebook, through the service, beside sixteen writers on as many notebooks as there are.
    fn hot_notebook(&self) {
        let _runtime = self.runtime.enter();
        let store = Arc::clone(&self.store) as Arc<dyn NotebookStore>;
        let service = NotebookService::new(store, quire_service::Options::default()).unwrap();
        let (mut hot, mut many) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            many += self.service_rate(&service, 64) / f64::from(ROUNDS);
            hot += self.service_rate(&service, 1) / f64::from(ROUNDS);
        }
        report("16 writers on one notebook, through the service", hot, "16 writers on 64 notebooks", many);
    }

    fn service_rate(&self, service: &NotebookService, notebooks: usize) -> f64 {
        let stop = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let writers: Vec<_> = (0..CONNECTIONS)
            .map(|writer| {
                let (service, stop) = (service.clone(), Arc::clone(&stop));
                self.runtime.spawn(async move {
                    let mut count = 0_u64;
                    while !stop.load(Ordering::Relaxed) {
                        let turn = usize::try_from(count).unwrap() * CONNECTIONS + writer;
                        let id = NotebookId::new(format!("edits{:04}", turn % notebooks)).unwrap();
                        service.edit(&user(), &id, None, update(writer, count)).await.unwrap();
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        std::thread::sleep(RUN);
        stop.store(true, Ordering::Relaxed);
        let count: u64 = writers.into_iter().map(|writer| self.runtime.block_on(writer).unwrap()).sum();
        count as f64 / start.elapsed().as_secs_f64()
    }

    /// One author alone, in a notebook of 5,000 cells and in one of ten.
    fn large_notebook(&self) {
        let mut large = self.author("large", 5_000);
        let mut small = self.author("small", 10);
        let (mut in_large, mut in_small) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..4_000 {
            in_large += self.time(large.edit());
            in_small += self.time(small.edit());
        }
        let ratio = in_large.as_secs_f64() / in_small.as_secs_f64();
        println!(
            "an edit in 5,000 cells {:.0} us; in 10 cells {:.0} us; ratio {ratio:.2}",
            in_large.as_micros() as f64 / 4_000.0,
            in_small.as_micros() as f64 / 4_000.0
        );
    }

    fn time(&self, work: impl Future<Output = ()>) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(work);
        start.elapsed()
    }

    /// Loading a notebook of 20 cells with two outputs each, beside a bare `SELECT` of the same bytes.
    fn loads(&self, what: &str, output_bytes: usize) {
        let output = Output {
            mime_type: "text/plain".to_owned(),
            data: Json::parse(&format!("\"{}\"", "x".repeat(output_bytes))).unwrap(),
            metadata: Json::parse("{}").unwrap(),
        };
        let id = format!("load{output_bytes}");
        let notebook = notebook(&id, 20, &[output.clone(), output]);
        self.runtime.block_on(self.store.create(&notebook, None)).unwrap();
        let bytes = 20 * (CODE_BYTES + 2 * output_bytes);
        let mut body = String::new();
        (0..bytes / 32).for_each(|n| write!(body, "{n:032x}").unwrap());
        let pool = self.runtime.block_on(self.database.pool(1));
        self.execute("CREATE TABLE IF NOT EXISTS bodies (id text PRIMARY KEY, body text)");
        let insert = sqlx::query("INSERT INTO bodies VALUES ($1, $2)").bind(id.clone()).bind(body);
        self.runtime.block_on(insert.execute(&pool)).unwrap();
        let (mut loading, mut bare, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..2_000 {
            rows.push(self.time(async {
                let select = "SELECT code FROM cells WHERE notebook_id = $1
                    UNION ALL SELECT data::text FROM cell_outputs WHERE notebook_id = $1";
                let rows = sqlx::query(select).bind(&id).fetch_all(&pool).await.unwrap();
                assert_eq!(rows.iter().filter(|row| row.get::<&str, _>(0).len() >= 300).count(), 60);
            }));
            loading.push(self.time(async {
                assert_eq!(self.store.load(&notebook.id).await.unwrap().unwrap().notebook.cells.len(), 20);
            }));
            bare.push(self.time(async {
                let select = sqlx::query("SELECT body FROM bodies WHERE id = $1").bind(&id);
                let body: String = select.fetch_one(&pool).await.unwrap().get(0);
                assert!(body.len() + 32 > bytes);
            }));
        }
        let [loading, bare, rows] = [&mut loading, &mut bare, &mut rows].map(|times| {
            times.sort();
            times[1_000].as_secs_f64() * 1e6
        });
        println!(
            "loading 20 cells with 2 outputs of {what} {loading:.0} us; a bare SELECT of the same bytes as 60 rows \
             {rows:.0} us, ratio {:.2}; as one value {bare:.0} us, ratio {:.2}",
            loading / rows,
            loading / bare
        );
    }
}

fn report(what: &str, rate: f64, beside: &str, other: f64) {
    println!("{what}: {rate:.0}/s; {beside}: {other:.0}/s; ratio {:.2}", rate / other);
}
