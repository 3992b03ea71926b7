//! Open notebooks under random edits: what a change says is true, and taking it back leaves no trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use quire_domain::{
    Analysis, Cell, CellChange, CellId, CellStatus, CellType, Change, Edit, EditError, Extra, Notebook, NotebookId,
    OpenNotebook, OrderKey, Place, Results, Revision, RunDigest, StoredConnection, Timestamp, UserId,
};

use crate::model::assert_like_model;
use crate::notation::{id, ids};
use crate::run_digests::{assert_run_digests, assert_stale_told};

const CODE: &[&str] = &[
    "",
    "a = 1",
    "b = a",
    "a = b + 1",
    "c = a + b",
    "def f():\n    return c",
    "c = f()",
    "def f():\n    return g(b)",
    "def g():\n    return f(a)",
    "a = (",
    "print(c)",
    "print = c",
    "del a",
    "-- name: b\nSELECT * FROM t WHERE x = {a}",
    "INSERT INTO t VALUES ({c})",
    "SELEC",
];

fn notebook(keys: &[usize]) -> Notebook {
    let (name, user) = (NotebookId::new("n").unwrap(), UserId::new("u").unwrap());
    let mut notebook = Notebook::new(name, quire_domain::Life::UNRECORDED, user, Timestamp::UNIX_EPOCH);
    let cell = |(index, key): (usize, &usize)| Cell {
        id: id(&format!("c{index}")),
        order: OrderKey::at(*key),
        cell_type: CellType::Python,
        code: Arc::from(CODE[(index * 5 + key) % CODE.len()]),
        revision: Revision(0),
        analysis: Arc::default(),
        broken: None,
        results: Arc::default(),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    };
    notebook.cells = keys.iter().enumerate().map(cell).collect();
    notebook
}

/// Opening analyses no cell after the first at which the notebook is too large, and says how large it is before the graph
/// is built.
#[test]
fn opening_stops_where_the_size_is_refused() {
    let mut notebook = notebook(&(0..30).collect::<Vec<_>>());
    let names = |cell: usize| (0..9_000).map(|name| format!("n{cell}_{name} = 1\n")).collect::<Vec<_>>().concat();
    let cells = notebook.cells.iter().enumerate();
    let cells = cells.map(|(index, cell)| Cell { code: Arc::from(names(index)), ..Cell::clone(cell) });
    notebook.cells = cells.collect();
    let mut sizes = Vec::new();
    let opened = OpenNotebook::try_open(notebook.clone(), None, |size| {
        sizes.push(size.memory_bytes());
        size.check_limits()
    });
    assert_eq!(
        opened.unwrap_err().to_string(),
        "the notebook has 207000 names read and written, more than the 200000 allowed"
    );
    assert_eq!(sizes.len(), 23);
    assert!(sizes.is_sorted() && sizes[21] > 22 * 9_000 * 250, "{sizes:?}");
    let opened =
        OpenNotebook::try_open(notebook, None, |size| if size.memory_bytes() > sizes[2] { Err(size) } else { Ok(()) });
    assert_eq!(opened.unwrap_err().memory_bytes(), sizes[3]);
}

fn edit() -> impl Strategy<Value = Edit> {
    let cell = || (0..10_usize).prop_map(|cell| id(&format!("c{cell}")));
    let code = || prop::sample::select(CODE).prop_map(Arc::<str>::from);
    let place = || prop_oneof![1 => Just(Place::Start), 1 => Just(Place::End), 4 => cell().prop_map(Place::After)];
    let cell_type = || prop::sample::select(vec![CellType::Python, CellType::Sql]);
    let status = prop::sample::select(vec![CellStatus::Idle, CellStatus::Success]);
    prop_oneof![
        5 => (cell(), cell_type(), code(), place())
            .prop_map(|(id, cell_type, code, place)| Edit::InsertCell { id, cell_type, code, place }),
        6 => (cell(), code()).prop_map(|(id, code)| Edit::UpdateCell { id, code }),
        2 => (cell(), cell_type()).prop_map(|(id, cell_type)| Edit::SetCellType { id, cell_type }),
        4 => (cell(), place()).prop_map(|(id, place)| Edit::MoveCell { id, place }),
        2 => cell().prop_map(|id| Edit::DeleteCell { id }),
        1 => prop::sample::select(vec!["", " n ", "m"]).prop_map(|name| Edit::Rename { name: name.to_owned() }),
        1 => any::<bool>().prop_map(|some| Edit::SetConnection { connection: connection(some) }),
        1 => any::<bool>().prop_map(|reactive| Edit::SetReactive { reactive }),
        4 => (cell(), status).prop_map(|(id, status)| Edit::SetResults {
            id,
            results: Arc::new(Results { status, ..Results::default() }),
        }),
    ]
}

/// Makes successful results those of a run of what is there now.
fn note_run(open: &OpenNotebook, edit: &mut Edit) {
    if let Edit::SetResults { id, results } = edit
        && results.status == CellStatus::Success
    {
        let run_digest = open.cell(id).map(|cell| cell.run_digest);
        *results = Arc::new(Results { run_digest, ..Results::clone(results) });
    }
}

fn connection(some: bool) -> Option<StoredConnection> {
    some.then(|| StoredConnection::new("postgres://localhost/db").unwrap()).flatten()
}

/// The cells as an editor of a plain list would have them.
fn order_after(before: &[CellId], edit: &Edit) -> Vec<CellId> {
    let mut cells = before.to_vec();
    let put = |cells: &mut Vec<CellId>, id: &CellId, place: &Place| {
        let index = match place {
            Place::Start => 0,
            Place::End => cells.len(),
            Place::After(above) => cells.iter().position(|cell| cell == above).unwrap() + 1,
        };
        cells.insert(index, id.clone());
    };
    match edit {
        Edit::InsertCell { id, place, .. } => put(&mut cells, id, place),
        Edit::MoveCell { id, place } if *place != Place::After(id.clone()) => {
            cells.retain(|cell| cell != id);
            put(&mut cells, id, place);
        }
        Edit::DeleteCell { id } => cells.retain(|cell| cell != id),
        _ => {}
    }
    cells
}

fn order_of(notebook: &Notebook) -> Vec<CellId> {
    notebook.cells.iter().map(|cell| cell.id.clone()).collect()
}

fn by_id(notebook: &Notebook) -> BTreeMap<CellId, Arc<Cell>> {
    notebook.cells.iter().map(|cell| (cell.id.clone(), Arc::clone(cell))).collect()
}

/// The cells without what is derived from other cells.
fn alone(cells: &BTreeMap<CellId, Arc<Cell>>) -> BTreeMap<&CellId, Cell> {
    cells.iter().map(|(id, cell)| (id, Cell { run_digest: RunDigest::default(), ..Cell::clone(cell) })).collect()
}

/// Whether the notebook's parts agree with each other.
fn assert_sound(open: &OpenNotebook) {
    let notebook = open.notebook();
    assert!(notebook.cells.iter().is_sorted_by(|a, b| (&a.order, &a.id) < (&b.order, &b.id)));
    assert_eq!(notebook.cells.len(), notebook.cells.iter().count());
    for (index, cell) in notebook.cells.iter().enumerate() {
        assert_eq!(open.cell(&cell.id), Some(cell));
        assert_eq!(notebook.cells.get(index), Some(cell));
        assert_eq!(notebook.cells.find(&cell.id), Some(cell));
    }
    assert_like_model(open.graph(), notebook.cells.iter().cloned(), &ids("c0 c3"));
    assert_run_digests(open);
    let cycles = open.graph().cycles().flat_map(|cycle| cycle.cells.iter().map(move |cell| (cell.clone(), cycle)));
    assert!(cycles.collect::<BTreeMap<_, _>>().into_iter().eq(notebook.cycles.iter().map(|(id, c)| (id.clone(), c))));
}

/// Whether the change says all that is different and nothing else.
fn assert_true(change: &Change, before: &Notebook, after: &Notebook) {
    assert_eq!((change.revision.before, change.revision.after), (before.revision, after.revision));
    assert_eq!((change.updated_at.before, change.updated_at.after), (before.updated_at, after.updated_at));
    let revisions = i64::from(!change.is_results());
    assert_eq!(after.revision.0 - before.revision.0, revisions);
    let name = change.name.as_ref().map(|name| (&name.before, &name.after));
    assert_eq!(name, (before.name != after.name).then_some((&before.name, &after.name)));
    let connection = change.connection.as_ref().map(|connection| (&connection.before, &connection.after));
    assert_eq!(connection, (before.connection != after.connection).then_some((&before.connection, &after.connection)));

    let reactive = change.reactive.as_ref().map(|reactive| (reactive.before, reactive.after));
    assert_eq!(reactive, (before.reactive != after.reactive).then_some((before.reactive, after.reactive)));

    let (mut old, new) = (by_id(before), by_id(after));
    for CellChange { id, before, after: now, index, .. } in &change.cells {
        assert_eq!((before.as_ref(), now.as_ref()), (old.get(id), new.get(id)), "{id}");
        assert_eq!(*index, after.cells.iter().position(|cell| cell.id == *id));
        match now {
            Some(cell) => old.insert(id.clone(), Arc::clone(cell)),
            None => old.remove(id),
        };
    }
    assert_eq!(alone(&old), alone(&new), "cells that the change does not name are as they were");

    let mut cycles = (*before.cycles).clone();
    for change in &change.cycles {
        assert_ne!(cycles.get(&change.id), change.cycle.as_ref());
        match &change.cycle {
            Some(cycle) => cycles.insert(change.id.clone(), Arc::clone(cycle)),
            None => cycles.remove(&change.id),
        };
    }
    cycles.retain(|id, _| new.contains_key(id));
    assert_eq!(cycles, *after.cycles);
    assert_stale_told(change, before, after);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn edits_change_what_they_say_and_undo_leaves_no_trace(
        keys in prop::collection::vec(0..4_usize, 0..8),
        edits in prop::collection::vec((edit(), 0..100_i64), 1..30),
    ) {
        let mut open = OpenNotebook::open(notebook(&keys));
        assert_sound(&open);
        for (mut edit, at) in edits {
            note_run(&open, &mut edit);
            let before = open.notebook().clone();
            let at = Timestamp::from_timestamp(at, 0).unwrap();
            match open.apply(&edit, None, at) {
                Err(_) | Ok(None) => prop_assert_eq!(open.notebook(), &before),
                Ok(Some(change)) => {
                    assert_true(&change, &before, open.notebook());
                    prop_assert_eq!(order_of(open.notebook()), order_after(&order_of(&before), &edit));
                    let moves = change.cells.iter().filter(|cell| cell.moved).count();
                    prop_assert_eq!(moves, usize::from(matches!(edit, Edit::MoveCell { .. })));
                    let mut undone = open.clone();
                    undone.undo(&change);
                    prop_assert_eq!(undone.notebook(), &before);
                    assert_sound(&undone);
                }
            }
            assert_sound(&open);
        }
    }
}

fn apply(open: &mut OpenNotebook, edit: &Edit) -> Result<Option<Change>, EditError> {
    open.apply(edit, None, Timestamp::UNIX_EPOCH)
}

#[test]
fn edits_that_change_nothing_are_none() {
    let mut open = OpenNotebook::open(notebook(&[0, 1, 1, 2]));
    for (cell, place) in [
        ("c0", Place::Start),
        ("c3", Place::End),
        ("c1", Place::After(id("c0"))),
        ("c1", Place::After(id("c1"))),
        ("c2", Place::After(id("c1"))),
    ] {
        assert_eq!(
            apply(&mut open, &Edit::MoveCell { id: id(cell), place: place.clone() }),
            Ok(None),
            "{cell} {place:?}"
        );
    }
    assert_eq!(apply(&mut open, &Edit::SetCellType { id: id("c1"), cell_type: CellType::Python }), Ok(None));
    assert_eq!(apply(&mut open, &Edit::Rename { name: "  ".to_owned() }), Ok(None));
    assert_eq!(apply(&mut open, &Edit::SetConnection { connection: None }), Ok(None));
    assert_eq!(apply(&mut open, &Edit::SetReactive { reactive: true }), Ok(None));
    // The same code is an edit: it takes a revision.
    let code = Arc::clone(&open.cell(&id("c1")).unwrap().code);
    assert!(apply(&mut open, &Edit::UpdateCell { id: id("c1"), code }).unwrap().is_some());
}

#[test]
fn edits_of_unknown_cells_are_refused() {
    let mut open = OpenNotebook::open(notebook(&[0]));
    let gone = id("gone");
    let unknown = Err(EditError::CellNotFound(gone.clone()));
    assert_eq!(apply(&mut open, &Edit::DeleteCell { id: gone.clone() }), unknown);
    assert_eq!(apply(&mut open, &Edit::MoveCell { id: id("c0"), place: Place::After(gone.clone()) }), unknown);
    assert_eq!(apply(&mut open, &Edit::UpdateCell { id: gone, code: Arc::default() }), unknown);
    let code = Arc::default();
    let again = Edit::InsertCell { id: id("c0"), cell_type: CellType::Python, code, place: Place::End };
    assert_eq!(apply(&mut open, &again), Err(EditError::CellExists(id("c0"))));
}

#[test]
fn an_insert_between_equal_keys_moves_the_rest_of_them_up() {
    let mut open = OpenNotebook::open(notebook(&[1, 1, 1, 2]));
    let place = Place::After(id("c0"));
    let insert = Edit::InsertCell { id: id("new"), cell_type: CellType::Python, code: Arc::default(), place };
    let change = apply(&mut open, &insert).unwrap().unwrap();
    assert_eq!(order_of(open.notebook()), ids("c0 new c1 c2 c3"));
    assert_eq!(change.cells.len(), 3);
}

/// Returns a notebook as a store gives it, with names alone.
fn stored(notebook: &Notebook) -> Notebook {
    let mut stored = notebook.clone();
    stored.cells = (stored.cells.iter())
        .map(|cell| {
            let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            let analysis = Cell::stored_names(names(cell.reads().collect()), names(cell.writes().collect()));
            Cell { analysis, broken: None, ..(**cell).clone() }
        })
        .collect();
    stored
}

/// A server that knows a cell as it was before another server stored code that does not parse sees the same cycle.
#[test]
fn a_cell_that_was_broken_elsewhere_keeps_the_reads_that_were_known() {
    let mut open = OpenNotebook::open(notebook(&[0, 1]));
    let update = |cell: &str, code: &str| Edit::UpdateCell { id: id(cell), code: Arc::from(code) };
    for edit in [update("c0", "a = b"), update("c1", "b = a")] {
        apply(&mut open, &edit).unwrap();
    }
    assert!(!open.notebook().cycles.is_empty());
    let known = open.notebook().clone();
    let change = apply(&mut open, &update("c0", "a = = b")).unwrap();
    let reopened = OpenNotebook::reopen(stored(open.notebook()), &known);
    assert_eq!(reopened.notebook(), open.notebook());
    assert_eq!(Change::between(&known, reopened.notebook()), change);
}

/// Of a broken cell that comes from a store nobody knows which reads are a function's, so none closes a cycle; a later
/// state of the same notebook keeps what is known.
#[test]
fn a_broken_cell_means_the_same_after_opening_again() {
    let mut open = OpenNotebook::open(notebook(&[0, 1]));
    let update = |cell: &str, code: &str| Edit::UpdateCell { id: id(cell), code: Arc::from(code) };
    for edit in [update("c0", "def f(): return b\na = 1"), update("c1", "b = a"), update("c0", "def f(: b")] {
        apply(&mut open, &edit).unwrap();
    }
    assert!(open.notebook().cells.get(0).unwrap().broken.is_some());
    let edges = |open: &OpenNotebook| open.graph().edges().collect::<Vec<_>>();

    let stored = stored(open.notebook());
    let cold = OpenNotebook::open(stored.clone());
    assert!(cold.notebook().cycles.is_empty());
    assert_eq!(edges(&cold), edges(&open));
    let warm = OpenNotebook::reopen(stored, open.notebook());
    assert_eq!(warm.notebook(), open.notebook());
}

fn named(names: usize) -> Arc<Analysis> {
    Arc::new(Analysis { writes: (0..names).map(|n| format!("n{n}")).collect(), ..Analysis::default() })
}

#[test]
fn a_notebook_beyond_a_limit_of_the_whole_opens_and_shrinks_and_does_not_grow() {
    use quire_domain::limits::{CELL_SOURCE_BYTES, Invalid, NOTEBOOK_CODE_BYTES, NOTEBOOK_NAMES};
    let apply = |open: &mut OpenNotebook, edit: &Edit, names: usize| {
        open.apply(edit, Some(named(names)), Timestamp::UNIX_EPOCH).map(|change| change.is_some())
    };
    let update = |cell: &str, code: &str| Edit::UpdateCell { id: id(cell), code: Arc::from(code) };
    let mut open = OpenNotebook::open(notebook(&[0, 1]));
    assert_eq!(apply(&mut open, &update("c0", "a"), NOTEBOOK_NAMES - 2), Ok(true));
    assert_eq!(apply(&mut open, &update("c1", "b"), 2), Ok(true));
    let before = open.notebook().clone();
    let refused = apply(&mut open, &update("c1", "c"), 3).unwrap_err();
    let EditError::Invalid(Invalid::TooLarge { limit, actual, .. }) = refused else { panic!("{refused}") };
    assert_eq!((limit, actual), (NOTEBOOK_NAMES, NOTEBOOK_NAMES + 1));
    assert_eq!(open.notebook(), &before);
    assert!(open.notebook().check_limits().is_ok());

    // As many bytes as there may be, and one more, in a file that a store has had from elsewhere.
    let blank = notebook(&[0]).cells.get(0).map(|cell| Cell::clone(cell)).unwrap();
    let full: Arc<str> = Arc::from("#".repeat(CELL_SOURCE_BYTES));
    let full = |index: usize| Cell {
        id: id(&format!("f{index}")),
        order: OrderKey::at(index),
        code: Arc::clone(&full),
        ..blank.clone()
    };
    let stored = Notebook { cells: (0..=NOTEBOOK_CODE_BYTES / CELL_SOURCE_BYTES).map(full).collect(), ..notebook(&[]) };
    assert!(stored.check_limits().unwrap_err().to_string().contains("16777216"));
    let mut open = OpenNotebook::open(stored);
    assert_eq!(apply(&mut open, &update("f0", &"#".repeat(CELL_SOURCE_BYTES - 1)), 0), Ok(true), "it may shrink");
    assert!(matches!(apply(&mut open, &update("f0", &"#".repeat(CELL_SOURCE_BYTES)), 0), Err(EditError::Invalid(_))));
    assert_eq!(apply(&mut open, &Edit::MoveCell { id: id("f0"), place: Place::End }, 0), Ok(true), "or stay");
    assert_eq!(apply(&mut open, &update("f0", ""), 0), Ok(true));
    assert!(open.notebook().check_limits().is_ok());
}
