//! Estimates of memory against what an allocator is asked for: alone in a process, since the count is the process's.

#![expect(clippy::unwrap_used, reason = "these are all tests, also the helpers that clippy cannot tell")]

use std::sync::Arc;

use quire_domain::{
    Cell, CellId, CellType, Edit, Extra, Graph, Json, Notebook, NotebookId, OpenNotebook, OrderKey, Output, Place,
    Results, Revision, Timestamp, UserId,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

fn open(cells: usize, code: impl Fn(usize) -> String, results: &Arc<Results>) -> OpenNotebook {
    let at = Timestamp::UNIX_EPOCH;
    let mut notebook =
        Notebook::new(NotebookId::new("n").unwrap(), quire_domain::Life::UNRECORDED, UserId::new("u").unwrap(), at);
    let cell = |index| Cell {
        id: CellId::new(format!("0b7c61a8-0000-4000-8000-{index:012}")).unwrap(),
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: Arc::from(code(index)),
        revision: Revision(0),
        analysis: Arc::default(),
        broken: None,
        results: Arc::new(Results::clone(results)),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    };
    notebook.cells = (0..cells).map(cell).collect();
    OpenNotebook::open(notebook)
}

/// Bytes that `make` leaves allocated.
fn held<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let value = make();
    let change = region.change();
    (value, change.bytes_allocated - change.bytes_deallocated)
}

#[track_caller]
fn assert_near(what: &str, estimate: usize, truth: usize) {
    println!("{what}: estimated {estimate}, held {truth}");
    assert!(estimate <= 2 * truth && truth <= 2 * estimate, "{what}: estimated {estimate}, held {truth}");
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

/// Name, number of cells, a cell's code, its results.
type Shape<'a> = (&'a str, usize, Box<dyn Fn(usize) -> String + 'a>, &'a Arc<Results>);

/// One test, so that nothing else allocates meanwhile.
#[test]
fn estimates_are_within_a_factor_of_two_of_what_is_held() {
    let none = Arc::new(Results::default());
    let output = Output {
        mime_type: "text/plain".to_owned(),
        data: Json::parse(&format!("\"{}\"", "x".repeat(2_000))).unwrap(),
        metadata: Json::parse("{}").unwrap(),
    };
    let large = Arc::new(Results { stdout: "y".repeat(5_000), outputs: vec![output; 3], ..Results::default() });
    let names = |cell: usize, count: usize| lines(count, |name| format!("n{cell}_{name} = 1"));
    let reads = |count: usize| lines(count, |name| format!("n0_{name}"));
    let shapes: [Shape<'_>; 9] = [
        ("empty cells", 1_000, Box::new(|_| String::new()), &none),
        ("one cell", 1, Box::new(|_| "x = 1".to_owned()), &none),
        ("a chain", 2_000, Box::new(|i| format!("x{i} = x{} + 1", i.wrapping_sub(1))), &none),
        ("long code", 50, Box::new(|i| format!("x = {i}\n# {}", "z".repeat(50_000))), &none),
        ("distinct names", 100, Box::new(|i| names(i, 200)), &none),
        ("the same name", 5_000, Box::new(|_| "df = df.dropna()".to_owned()), &none),
        ("many readers", 50, Box::new(|i| if i == 0 { names(0, 1_000) } else { reads(1_000) }), &none),
        ("results", 200, Box::new(|i| format!("x{i} = 1")), &large),
        ("one cycle", 2_000, Box::new(|i| format!("x{i} = x{}", (i + 1_999) % 2_000)), &none),
    ];
    // What is made once for the process.
    drop(open(10, |i| format!("x{i} = len([1])"), &none));
    for (what, cells, code, results) in shapes {
        let (mut notebook, truth) = held(|| open(cells, &code, results));
        assert_near(what, notebook.memory_bytes(), truth);
        let (graph, truth) = held(|| Graph::new(notebook.notebook().cells.iter()));
        assert_near(&format!("{what}, the graph"), graph.memory_bytes(), truth);
        drop(graph);
        // Kept up to date edit by edit: what is inserted and deleted again leaves the same.
        let before = notebook.memory_bytes();
        let id = CellId::new("new").unwrap();
        let insert = Edit::InsertCell {
            id: id.clone(),
            cell_type: CellType::Python,
            code: Arc::from(names(7, 300)),
            place: Place::End,
        };
        notebook.apply(&insert, None, Timestamp::UNIX_EPOCH).unwrap();
        assert!(notebook.memory_bytes() > before + 300 * 50, "{what}");
        let fresh = OpenNotebook::open(notebook.notebook().clone()).memory_bytes();
        assert_near(&format!("{what}, edited"), notebook.memory_bytes(), fresh);
        notebook.apply(&Edit::DeleteCell { id }, None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(OpenNotebook::open(notebook.notebook().clone()).memory_bytes(), before, "{what}");
    }

    // A change of a whole cycle, and one of a cell's code alone.
    let mut cycle = open(2_000, |i| format!("x{i} = x{}", (i + 1_999) % 2_000), &none);
    let mut apply = |code: &str| {
        let id = CellId::new(format!("0b7c61a8-0000-4000-8000-{:012}", 7)).unwrap();
        let edit = Edit::UpdateCell { id, code: Arc::from(code) };
        cycle.apply(&edit, None, Timestamp::UNIX_EPOCH).unwrap().unwrap()
    };
    let broken = apply("x7 = 0");
    assert!(broken.memory_bytes() > 2_000 * 24, "{}", broken.memory_bytes());
    drop(broken);
    let closed = apply("x7 = x6");
    let again = apply("x7 = 0");
    // The cycle that `closed` made is held by it alone now.
    let estimate = closed.memory_bytes();
    let region = Region::new(ALLOCATOR);
    drop(closed);
    let freed = region.change().bytes_deallocated;
    drop(again);
    assert_near("a change of a cycle", estimate, freed);
}
