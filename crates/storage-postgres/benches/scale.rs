//! How far one database goes: sizes, and the time of each call, with ten times more notebooks at each step up to 100,000
//! notebooks of 20 cells of 600 bytes. `cargo bench -p quire-storage-postgres --bench scale`; needs some 4 GB of disk and
//! a few minutes. `docs/scaling.md` has the figures.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark may panic, and rounds")]

use std::sync::Arc;
use std::time::Instant;

use quire_domain::{CellId, Edit, NotebookId, OpenNotebook, Timestamp, UserId};
use quire_storage::prelude::*;
use quire_storage::{Commit, CommitId, ListFilter, PageRequest};
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};
use quire_test_postgres::{Database, Server, Settings};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::runtime::Runtime;
use uuid::Uuid;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const SAMPLES: usize = 1_000;

fn main() {
    let runtime = Runtime::new().unwrap();
    // As on a small instance: what is read does not all fit.
    let conf = vec!["shared_buffers = 256MB".to_owned(), "max_wal_size = 4GB".to_owned()];
    let server = Server::start(&Settings { fsync: true, conf, ..Settings::default() });
    runtime.block_on(async {
        let database = Database::on(&server).await;
        let url = DatabaseUrl::parse(database.url()).unwrap();
        let store = PostgresNotebookStore::new(url, Options::default()).unwrap();
        let mut there = 0;
        for size in SIZES {
            fill(&database, there, size).await;
            there = size;
            sizes(&database, size).await;
            times(&store, size).await;
        }
    });
}

/// Adds notebooks `from..to`, a hundred to each user.
async fn fill(database: &Database, from: usize, to: usize) {
    let start = Instant::now();
    let sql = format!(
        "INSERT INTO users (id) SELECT 'user' || n FROM generate_series({}, {}) n ON CONFLICT DO NOTHING;
         INSERT INTO notebooks (id, user_id, name, revision, version, commit_ids, commit_versions, created_at, updated_at)
         SELECT 'notebook' || n, 'user' || n / 100, 'Notebook ' || n, 0, nextval('notebook_versions'),
             array_fill(gen_random_uuid(), ARRAY[16]), array_fill(n::bigint, ARRAY[15]), now() + n * interval '1 ms', now()
         FROM generate_series({from}, {}) n;
         INSERT INTO cells (notebook_id, id, order_key, type, code, reads, writes, revision)
         SELECT 'notebook' || n, gen_random_uuid(), 'a' || chr(ascii('A') + c), 'python',
             left('value_' || c || ' = value + ' || c || E'\\n' || repeat(md5(n::text || c::text), 19), 600),
             ARRAY['value'], ARRAY['value_' || c], 0
         FROM generate_series({from}, {}) n, generate_series(0, 19) c",
        from / 100,
        to / 100,
        to - 1,
        to - 1
    );
    let mut connection = database.connect().await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    // What the server would do by itself in the next minutes, and so in the middle of what is measured.
    for work in ["VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"] {
        sqlx::raw_sql(work).execute(&mut connection).await.unwrap();
    }
    println!("\n{to} notebooks, {} cells (filled in {:.0} s)", to * 20, start.elapsed().as_secs_f64());
}

async fn sizes(database: &Database, notebooks: usize) {
    let mut connection = database.connect().await;
    for table in ["notebooks", "cells"] {
        let sql = format!("SELECT pg_table_size('{table}'), pg_indexes_size('{table}')");
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        let (table_bytes, index_bytes): (i64, i64) = (row.get(0), row.get(1));
        println!(
            "{table}: {:.0} MB and {:.0} MB of indexes; {:.0} bytes a notebook",
            table_bytes as f64 / 1e6,
            index_bytes as f64 / 1e6,
            (table_bytes + index_bytes) as f64 / notebooks as f64
        );
    }
}

async fn times(store: &PostgresNotebookStore, notebooks: usize) {
    // Without pattern, so that what is read is not what was just read.
    let some = |sample: usize| (sample * 7_919 + 13) * 104_729 % notebooks;
    let id = |number: usize| NotebookId::new(format!("notebook{number}")).unwrap();
    let mut loads = Vec::new();
    let mut edits = Vec::new();
    let mut pages = Vec::new();
    let mut lists = Vec::new();
    for sample in 0..SAMPLES {
        let start = Instant::now();
        let loaded = store.load(&id(some(sample))).await.unwrap().unwrap();
        loads.push(start.elapsed());
        let mut open = OpenNotebook::open(loaded.notebook);
        let base = open.notebook().base();
        let cell: CellId = open.notebook().cells.get(sample % 20).unwrap().id.clone();
        let edit = Edit::UpdateCell { id: cell, code: format!("# {sample} {}", "x".repeat(590)).into() };
        let change = Arc::new(open.apply(&edit, None, Timestamp::default()).unwrap().unwrap());
        let commit =
            Commit { id: CommitId(Uuid::new_v4()), base, changes: &[change], after: open.notebook(), records: &[] };
        let start = Instant::now();
        store.commit(commit).await.unwrap();
        edits.push(start.elapsed());
        let filter = ListFilter::of(UserId::new(format!("user{}", some(sample) / 100)).unwrap());
        let start = Instant::now();
        store.list(&filter, &PageRequest { limit: Some(20), after: None }).await.unwrap();
        pages.push(start.elapsed());
        let start = Instant::now();
        assert_eq!(store.list(&filter, &PageRequest::default()).await.unwrap().notebooks.len(), 100);
        lists.push(start.elapsed());
    }
    for (what, mut times) in
        [("load 20 cells", loads), ("edit a cell", edits), ("first 20 of a list", pages), ("a list of 100", lists)]
    {
        times.sort();
        let at = |percent: usize| times[times.len() * percent / 100].as_micros();
        println!("{what}: median {} us, 99 % {} us", at(50), at(99));
    }
}
