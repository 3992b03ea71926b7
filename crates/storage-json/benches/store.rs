//! What the store costs: opening ten thousand notebooks, the first page of a list, and a commit beside the bare system
//! calls that make the same bytes durable.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quire_domain::{CellId, CellType, Edit, Life, Notebook, NotebookId, OpenNotebook, Place, Timestamp, UserId};
use quire_storage::prelude::*;
use quire_storage::{Commit, CommitId, ListFilter, PageRequest};
use quire_storage_json::{JsonNotebookStore, Options};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

const NOTEBOOKS: usize = 10_000;
const CELLS: usize = 10;

/// A notebook of ten cells of some hundred bytes.
fn notebook(id: &str) -> OpenNotebook {
    let at = Timestamp::from_timestamp_micros(1_770_000_000_000_000).unwrap();
    let notebook = Notebook::new(NotebookId::new(id).unwrap(), Life::UNRECORDED, UserId::new("ann").unwrap(), at);
    let mut open = OpenNotebook::open(notebook);
    for number in 0..CELLS {
        let code = format!("value_{number} = {number}\n{}", "# a line of a comment, as people write them\n".repeat(8));
        let id = CellId::new(format!("cell{number}")).unwrap();
        let edit = Edit::InsertCell { id, cell_type: CellType::Python, code: code.into(), place: Place::End };
        open.apply(&edit, None, at).unwrap();
    }
    open
}

/// A directory of ten thousand notebooks: the file of one, with other ids, dates and owners.
fn directory(runtime: &Runtime) -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    runtime.block_on(store.create(notebook("template").notebook(), None)).unwrap();
    drop(store);
    let text = fs::read_to_string(dir.path().join("template.json")).unwrap();
    fs::remove_file(dir.path().join("template.json")).unwrap();
    for number in 0..NOTEBOOKS {
        let id = format!("notebook-{number:05}");
        let text = text.replace("\"template\"", &format!("{id:?}"));
        let text = text.replace("\"ann\"", &format!("\"user{}\"", number % 100));
        fs::write(dir.path().join(format!("{id}.json")), text).unwrap();
    }
    dir
}

fn open(dir: &Path) -> JsonNotebookStore {
    JsonNotebookStore::open(dir, Options { scan_every: None, ..Options::default() }).unwrap()
}

fn opening_and_listing(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let dir = directory(&runtime);
    let mut group = c.benchmark_group("10,000 notebooks");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("open, nothing remembered", |b| {
        let forget = || fs::remove_dir_all(dir.path().join(".quire")).unwrap();
        b.iter_batched(forget, |()| open(dir.path()), BatchSize::PerIteration);
    });
    drop(open(dir.path()));
    group.bench_function("open again", |b| b.iter_batched(|| (), |()| open(dir.path()), BatchSize::PerIteration));

    let store = open(dir.path());
    let filter = ListFilter::of(UserId::new("user7").unwrap());
    let page = PageRequest { limit: Some(50), after: None };
    group.bench_function("first page of a list", |b| {
        b.iter(|| black_box(runtime.block_on(store.list(&filter, &page)).unwrap()));
    });
    // A change in the directory makes the next list look for names that came or went.
    let other = dir.path().join("other.txt");
    group.bench_function("first page after a change in the directory", |b| {
        let change = || {
            if fs::remove_file(&other).is_err() {
                fs::write(&other, "").unwrap();
            }
        };
        b.iter_batched(change, |()| runtime.block_on(store.list(&filter, &page)).unwrap(), BatchSize::PerIteration);
    });
    group.bench_function("scan", |b| b.iter(|| runtime.block_on(store.scan_now()).unwrap()));
    group.finish();
}

fn committing(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let mut editing = notebook("edited");
    runtime.block_on(store.create(editing.notebook(), None)).unwrap();
    let bytes = fs::read(dir.path().join("edited.json")).unwrap();
    let mut group = c.benchmark_group("one edit of 10 cells");
    group.sample_size(60);
    let mut number = 0;
    group.bench_function("commit", |b| {
        b.iter(|| {
            number += 1;
            let base = editing.notebook().base();
            let edit = Edit::UpdateCell { id: CellId::new("cell3").unwrap(), code: format!("x = {number}").into() };
            let at = editing.notebook().updated_at;
            let change = Arc::new(editing.apply(&edit, None, at).unwrap().unwrap());
            let id = CommitId(Uuid::new_v4());
            let commit = Commit { id, base, changes: &[change], after: editing.notebook(), records: &[] };
            runtime.block_on(store.commit(commit)).unwrap()
        });
    });
    let (path, temporary) = (dir.path().join("raw"), dir.path().join("raw.tmp"));
    let folder = fs::File::open(dir.path()).unwrap();
    group.bench_function("write, fsync, rename, fsync of equal bytes", |b| {
        b.iter(|| {
            let mut file = fs::File::create(&temporary).unwrap();
            file.write_all(&bytes).unwrap();
            file.sync_all().unwrap();
            fs::rename(&temporary, &path).unwrap();
            folder.sync_all().unwrap();
        });
    });
    group.bench_function("load", |b| {
        b.iter(|| black_box(runtime.block_on(store.load(&editing.notebook().id)).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, opening_and_listing, committing);
criterion_main!(benches);
