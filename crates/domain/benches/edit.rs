//! One edit of an open notebook, analysis of the cell, cell list and graph included.
//!
//! Each benchmark applies its edits in turn, the last leading back to the first, so that every one of them changes
//! something; the time is that of one. Notebooks of 1,000 and of 10,000 cells show how it grows.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails has nothing better to do")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use quire_domain::{
    Cell, CellId, CellType, Edit, Extra, Notebook, NotebookId, OpenNotebook, OrderKey, Place, Results, Revision,
    Timestamp, UserId,
};

fn id(index: usize) -> CellId {
    CellId::new(format!("cell-{index}")).unwrap()
}

fn open(cells: usize, code: impl Fn(usize) -> String) -> OpenNotebook {
    let (notebook, user) = (NotebookId::new("n").unwrap(), UserId::new("u").unwrap());
    let mut notebook = Notebook::new(notebook, quire_domain::Life::UNRECORDED, user, Timestamp::UNIX_EPOCH);
    let cell = |index| Cell {
        id: id(index),
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: Arc::from(code(index)),
        revision: Revision(0),
        analysis: Arc::default(),
        broken: None,
        results: Arc::new(Results::default()),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    };
    notebook.cells = (0..cells).map(cell).collect();
    OpenNotebook::open(notebook)
}

/// Edits that lead back to where they began.
struct Case(&'static str, Vec<Edit>);

fn update(cell: usize, code: impl Into<String>) -> Edit {
    Edit::UpdateCell { id: id(cell), code: Arc::from(code.into()) }
}

/// Other code and back.
fn toggle(name: &'static str, cell: usize, other: impl Into<String>, code: &impl Fn(usize) -> String) -> Case {
    Case(name, vec![update(cell, other), update(cell, code(cell))])
}

/// Away and back again, in this order because a notebook has no room for more than its 10,000 cells.
fn delete_and_insert(name: &'static str, cell: usize, code: &impl Fn(usize) -> String) -> Case {
    let place = Place::After(id(cell - 1));
    let insert = Edit::InsertCell { id: id(cell), cell_type: CellType::Python, code: Arc::from(code(cell)), place };
    Case(name, vec![Edit::DeleteCell { id: id(cell) }, insert])
}

/// To another place and back.
fn move_and_back(name: &'static str, cell: usize, to: Place) -> Case {
    let back = Edit::MoveCell { id: id(cell), place: Place::After(id(cell - 1)) };
    Case(name, vec![Edit::MoveCell { id: id(cell), place: to }, back])
}

fn run(group: &mut BenchmarkGroup<'_, WallTime>, cells: usize, code: impl Fn(usize) -> String, cases: Vec<Case>) {
    let mut notebook = open(cells, code);
    for Case(name, edits) in cases {
        let at = Timestamp::UNIX_EPOCH;
        let (mut next, mut applied) = (edits.iter().cycle(), 0);
        let mut readers = notebook.notebook().clone();
        group.bench_function(format!("{name}/{cells}"), |bench| {
            bench.iter(|| {
                applied += 1;
                let change = notebook.apply(black_box(next.next().unwrap()), None, at).unwrap();
                // Readers share the last state, so that each edit copies what it changes of the cell list.
                readers = notebook.notebook().clone();
                change
            });
        });
        drop(readers);
        // The next case finds the notebook as it was.
        while applied % edits.len() != 0 {
            applied += 1;
            notebook.apply(next.next().unwrap(), None, at).unwrap();
        }
    }
}

fn edits(criterion: &mut Criterion) {
    for cells in [1_000, 10_000] {
        let (middle, last) = (cells / 2, cells - 1);

        let code = |i: usize| if i == 0 { "x0 = 0".into() } else { format!("x{i} = x{} + 1", i - 1) };
        let cases = vec![
            toggle("same names", middle, format!("x{middle} = x{} + 2", middle - 1), &code),
            toggle("other read", middle, format!("x{middle} = x{} + 1", middle - 9), &code),
            toggle("other write", middle, format!("y = x{} + 1", middle - 1), &code),
            toggle("first", 0, "y = 0", &code),
            toggle("last", last, format!("y = x{middle}"), &code),
            toggle("cycle of ten", middle, format!("x{middle} = x{} + 1", middle + 9), &code),
            delete_and_insert("delete, insert", middle, &code),
            move_and_back("move", middle, Place::End),
            move_and_back("move last to start", last, Place::Start),
            // One edge, but every cell comes onto a cycle or off it.
            toggle("cycle of all", 0, format!("x0 = x{last}"), &code),
        ];
        run(&mut criterion.benchmark_group("forward chain"), cells, code, cases);

        let code = |i: usize| if i == last { format!("x{i} = 0") } else { format!("x{i} = x{} + 1", i + 1) };
        let cases = vec![
            toggle("same names", middle, format!("x{middle} = x{} + 2", middle + 1), &code),
            toggle("other read", middle, format!("x{middle} = x{} + 1", middle + 9), &code),
            toggle("other write", middle, format!("y = x{} + 1", middle + 1), &code),
            toggle("first", 0, "y = x1", &code),
            toggle("last", last, "y = 0", &code),
            toggle("cycle of ten", middle, format!("x{middle} = x{} + 1", middle - 9), &code),
            delete_and_insert("delete, insert", middle, &code),
            move_and_back("move", middle, Place::Start),
        ];
        run(&mut criterion.benchmark_group("reversed chain"), cells, code, cases);

        let earlier = |i: usize, salt: usize| (i.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503)) % i.max(1);
        let code = |i: usize| format!("x{i} = f(x{}, x{}, x{})", earlier(i, 1), earlier(i, 2), earlier(i, 3));
        let cases = vec![
            toggle("other reads", middle, format!("x{middle} = f(x1, x2, x3)"), &code),
            toggle("other write", last - 1, format!("y = f(x{middle})"), &code),
            delete_and_insert("delete, insert", middle, &code),
            move_and_back("move", middle, Place::After(id(middle + 20))),
        ];
        run(&mut criterion.benchmark_group("random graph"), cells, code, cases);

        let code = |i: usize| format!("df = load({i})\nfig, ax = plot(df)\nfor i in df: ax.draw(i)");
        let cases = vec![
            toggle("other writes", middle, "data = load()\nfig = plot(data)", &code),
            toggle("read from above", middle, "df = df.dropna()", &code),
            delete_and_insert("delete, insert", middle, &code),
            move_and_back("move", middle, Place::Start),
        ];
        run(&mut criterion.benchmark_group("redefined names"), cells, code, cases);

        let code = |_| "df = df.dropna()".to_owned();
        let cases = vec![
            toggle("other names", middle, "rows = df.count()", &code),
            delete_and_insert("delete, insert", middle, &code),
            move_and_back("move", middle, Place::End),
        ];
        run(&mut criterion.benchmark_group("rewritten name"), cells, code, cases);

        let code = |i: usize| if i == 0 { "import pandas as pd".into() } else { format!("y{i} = pd.f({i})") };
        let cases = vec![
            toggle("hub, same names", 0, "import pandas as pd, numpy as np", &code),
            toggle("other names", middle, "z = pd.g(y1, y2)", &code),
            delete_and_insert("delete, insert", middle, &code),
            move_and_back("move", middle, Place::End),
        ];
        run(&mut criterion.benchmark_group("hub"), cells, code, cases);

        let sum = (0..last).fold("total = f(".to_owned(), |mut sum, i| {
            let _ = write!(sum, "x{i}, ");
            sum
        }) + ")";
        let code = |i: usize| if i == last { sum.clone() } else { format!("x{i} = {i}") };
        let cases = vec![
            toggle("other write", middle, "y = 0", &code),
            delete_and_insert("delete, insert", middle, &code),
            move_and_back("move", middle, Place::Start),
        ];
        run(&mut criterion.benchmark_group("sum of all"), cells, code, cases);
    }
}

/// The dearest edit: half of the cells are a chain, the others another one, and the first cell of the upper chain comes
/// to depend on the last of the lower. The graph's order has to be turned around, once; after that it stays.
fn turned_around(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("two chains");
    for cells in [1_000, 10_000] {
        let code = |i: usize| match i {
            _ if i == 0 || i == cells / 2 => format!("x{i} = 0"),
            _ => format!("x{i} = x{} + 1", i - 1),
        };
        let notebook = open(cells, code);
        let edit = update(0, format!("x0 = x{}", cells - 1));
        group.bench_function(format!("turned around/{cells}"), |bench| {
            let apply = |notebook: &mut OpenNotebook| notebook.apply(&edit, None, Timestamp::UNIX_EPOCH);
            bench.iter_batched_ref(|| notebook.clone(), apply, BatchSize::PerIteration);
        });
    }
}

/// Edits by the cells that depend on them, each of which gets another run digest.
fn dependents(criterion: &mut Criterion) {
    let (cells, last) = (5_000, 4_999);
    let code = |i: usize| if i == 0 { "x0 = 0".into() } else { format!("x{i} = x{} + 1", i - 1) };
    let cases = vec![
        toggle("leaf", last, format!("x{last} = x{} + 2", last - 1), &code),
        toggle("ten dependents", last - 10, format!("x{} = x{} + 2", last - 10, last - 11), &code),
        toggle("top", 0, "x0 = 1", &code),
    ];
    run(&mut criterion.benchmark_group("dependents in a chain"), cells, code, cases);

    let code = |i: usize| if i == 0 { "import pandas as pd".into() } else { format!("y{i} = pd.f({i})") };
    let cases = vec![
        toggle("leaf", last, "y = pd.g()", &code),
        toggle("leaf that no longer reads", last, "y = 0", &code),
        toggle("top", 0, "import pandas as pd, numpy as np", &code),
    ];
    run(&mut criterion.benchmark_group("dependents of a hub"), cells, code, cases);
}

fn questions(criterion: &mut Criterion) {
    for cells in [1_000, 10_000] {
        let code = |i: usize| if i == 0 { "x0 = 0".into() } else { format!("x{i} = x{} + 1", i - 1) };
        let notebook = open(cells, code);
        let mut group = criterion.benchmark_group("chain");
        group.bench_function(format!("plan of all/{cells}"), |b| b.iter(|| notebook.graph().plan(&[id(0)])));
        group.bench_function(format!("plan of ten/{cells}"), |b| b.iter(|| notebook.graph().plan(&[id(cells - 10)])));
        group.bench_function(format!("topological order/{cells}"), |b| b.iter(|| notebook.graph().topological_order()));
        group.sample_size(10);
        group.bench_function(format!("open/{cells}"), |b| b.iter(|| open(cells, code)));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = edits, turned_around, dependents, questions
}
criterion_main!(benches);
