//! Run digests: their rule written down once more, and what turns cells stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quire_domain::{
    Cell, CellId, CellType, Change, Edge, EdgeKind, Edit, Life, Notebook, NotebookId, OpenNotebook, Place, Results,
    Timestamp, UserId,
};
use sha2::{Digest, Sha256};

use crate::notation::{id, ids};

/// Makes the digests of a notebook's cells from nothing: by definition, slowly.
struct Model<'a> {
    cells: BTreeMap<&'a CellId, &'a Cell>,
    edges: Vec<Edge>,
    /// The cells that each cell is reached from, over edges of every kind and over those that are not deferred.
    ancestors: BTreeMap<&'a CellId, [BTreeSet<CellId>; 2]>,
}

type Hash = Vec<u8>;

impl<'a> Model<'a> {
    fn new(open: &'a OpenNotebook) -> Self {
        let cells: BTreeMap<_, _> = open.notebook().cells.iter().map(|cell| (&cell.id, &**cell)).collect();
        // A cell that does not parse takes nothing from others.
        let edges: Vec<_> = open.graph().edges().filter(|edge| cells[&edge.child].broken.is_none()).collect();
        let reached = |id: &CellId, hard: bool| {
            let mut reached = BTreeSet::new();
            let mut waiting = vec![id.clone()];
            while let Some(cell) = waiting.pop() {
                let edges =
                    edges.iter().filter(|edge| edge.child == cell && !(hard && edge.kind == EdgeKind::Deferred));
                waiting.extend(edges.map(|edge| edge.parent.clone()).filter(|parent| reached.insert(parent.clone())));
            }
            reached
        };
        let ancestors = cells.keys().map(|id| (*id, [reached(id, false), reached(id, true)])).collect();
        Self { cells, edges, ancestors }
    }

    /// Whether the writer of an edge needs its reader too, over edges of every kind or over hard ones.
    fn goes_round(&self, edge: &Edge, hard: bool) -> bool {
        self.ancestors[&edge.parent][usize::from(hard)].contains(&edge.child)
    }

    fn content(&self, id: &CellId) -> Hash {
        let cell = self.cells[id];
        hash([&[0], cell.cell_type.as_str().as_bytes(), &[0], cell.code.as_bytes()])
    }

    fn of(&self, id: &CellId, count: &dyn Fn(&Edge) -> Option<Hash>) -> Hash {
        let parents = self.edges.iter().filter(|edge| edge.child == *id);
        let inputs = parents.filter_map(|edge| Some(((edge.kind == EdgeKind::Table, edge.name.clone()), count(edge)?)));
        let inputs: BTreeMap<_, _> = inputs.collect();
        if inputs.is_empty() {
            return self.content(id);
        }
        let mut parts = vec![vec![1], self.content(id)];
        for ((is_table, name), digest) in inputs {
            parts.extend([vec![u8::from(is_table)], (name.len() as u64).to_be_bytes().to_vec()]);
            parts.extend([name.into_bytes(), digest]);
        }
        hash(parts)
    }

    fn group(&self, id: &CellId) -> Hash {
        let is_member = |other: &CellId| {
            other == id || self.ancestors[id][0].contains(other) && self.ancestors[other][0].contains(id)
        };
        let members = self.cells.keys().filter(|other| is_member(other));
        let mut members: Vec<_> = members
            .map(|member| self.of(member, &|edge| (!is_member(&edge.parent)).then(|| self.run(&edge.parent))))
            .collect();
        members.sort();
        members.insert(0, vec![2]);
        hash(members)
    }

    fn run(&self, id: &CellId) -> Hash {
        self.of(id, &|edge| {
            let by_group =
                self.goes_round(edge, false) && (edge.kind == EdgeKind::Deferred || self.goes_round(edge, true));
            Some(if by_group { self.group(id) } else { self.run(&edge.parent) })
        })
    }
}

fn hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Hash {
    let hasher = parts.into_iter().fold(Sha256::new(), Sha256::chain_update);
    hasher.finalize()[..16].to_vec()
}

/// Compares the run digests with those made from nothing, here and by opening the notebook.
pub(crate) fn assert_run_digests(open: &OpenNotebook) {
    let model = Model::new(open);
    let opened = OpenNotebook::open(open.notebook().clone());
    for cell in open.notebook().cells.iter() {
        assert_eq!(cell.run_digest.to_string(), hex::encode(model.run(&cell.id)), "{}", cell.id);
        assert_eq!(opened.cell(&cell.id).unwrap().run_digest, cell.run_digest, "{} when opened", cell.id);
    }
}

/// Whether the change says which cells turned stale or are no longer stale.
pub(crate) fn assert_stale_told(change: &Change, before: &Notebook, after: &Notebook) {
    let changed = after.cells.iter().filter_map(|cell| {
        let is_stale = cell.is_stale();
        (before.cells.find(&cell.id)?.is_stale() != is_stale).then(|| (cell.id.clone(), is_stale))
    });
    let told = change.stale.iter().map(|stale| (stale.id.clone(), stale.is_stale));
    assert_eq!(told.collect::<Vec<_>>(), changed.collect::<BTreeMap<_, _>>().into_iter().collect::<Vec<_>>());
    let derived = |change: &Change| (change.stale.clone(), change.run_digests_changed);
    let between = Change::between(before, after).as_ref().map(derived).unwrap_or_default();
    assert_eq!(between, derived(change), "the difference of two states says the same");
}

/// A notebook of Python cells `c0`, `c1`, …
fn notebook(code: &[&str]) -> OpenNotebook {
    let (name, user) = (NotebookId::new("n").unwrap(), UserId::new("u").unwrap());
    let mut open = OpenNotebook::open(Notebook::new(name, Life::UNRECORDED, user, Timestamp::UNIX_EPOCH));
    for (index, code) in code.iter().enumerate() {
        let (id, code) = (id(&format!("c{index}")), Arc::from(*code));
        apply(&mut open, &Edit::InsertCell { id, cell_type: CellType::Python, code, place: Place::End });
    }
    open
}

fn apply(open: &mut OpenNotebook, edit: &Edit) -> Change {
    let before = open.notebook().clone();
    let change = open.apply(edit, None, Timestamp::UNIX_EPOCH).unwrap().unwrap();
    assert_stale_told(&change, &before, open.notebook());
    assert_run_digests(open);
    change
}

fn update(open: &mut OpenNotebook, cell: &str, code: &str) -> Change {
    apply(open, &Edit::UpdateCell { id: id(cell), code: Arc::from(code) })
}

/// Leaves results as a run of the present code does.
fn run(open: &mut OpenNotebook, cell: &CellId) {
    let run_digest = Some(open.cell(cell).unwrap().run_digest);
    let results = Arc::new(Results { run_digest, ..Results::default() });
    apply(open, &Edit::SetResults { id: cell.clone(), results });
}

fn run_all(open: &mut OpenNotebook) {
    let cells: Vec<_> = open.notebook().cells.iter().map(|cell| cell.id.clone()).collect();
    for cell in &cells {
        run(open, cell);
    }
    assert_eq!(stale(open), ids(""));
}

fn stale(open: &OpenNotebook) -> Vec<CellId> {
    open.notebook().cells.iter().filter(|cell| cell.is_stale()).map(|cell| cell.id.clone()).collect()
}

#[test]
fn cells_are_stale_until_they_run_and_after_what_they_read_changes() {
    let mut open = notebook(&["x = 1", "y = x", "print(y)", "", " \n", "z = 1"]);
    assert_eq!(stale(&open), ids("c0 c1 c2 c5"), "blank cells have nothing to run");
    run_all(&mut open);
    let edit = update(&mut open, "c0", "x = 2");
    assert_eq!(stale(&open), ids("c0 c1 c2"));
    assert_eq!(edit.stale.iter().map(|stale| stale.id.clone()).collect::<Vec<_>>(), ids("c0 c1 c2"));
    // Only what changes is told.
    assert_eq!(update(&mut open, "c0", "x = 3").stale, []);
    run(&mut open, &id("c0"));
    assert_eq!(stale(&open), ids("c1 c2"), "the others have run with the value of another code");
    run(&mut open, &id("c1"));
    run(&mut open, &id("c2"));
    assert_eq!(stale(&open), ids(""));
}

#[test]
fn taking_an_edit_back_clears_stale() {
    let mut open = notebook(&["x = 1", "y = x", "z = y"]);
    run_all(&mut open);
    update(&mut open, "c0", "x = = 2");
    update(&mut open, "c0", "w = 2");
    assert_eq!(stale(&open), ids("c0 c1 c2"));
    update(&mut open, "c0", "x = 1");
    assert_eq!(stale(&open), ids(""));

    let deleted = apply(&mut open, &Edit::DeleteCell { id: id("c1") });
    assert_eq!(stale(&open), ids("c2"));
    open.undo(&deleted);
    assert_eq!(stale(&open), ids(""));
    assert_run_digests(&open);

    // Another cell with the same code will do.
    let insert =
        |code: &str, place| Edit::InsertCell { id: id("new"), cell_type: CellType::Python, code: code.into(), place };
    apply(&mut open, &insert("y = x", Place::After(id("c1"))));
    assert_eq!(stale(&open), ids("new"));
    apply(&mut open, &Edit::DeleteCell { id: id("new") });
    apply(&mut open, &insert("y = 1", Place::After(id("c1"))));
    assert_eq!(stale(&open), ids("new c2"));
}

#[test]
fn a_move_turns_stale_what_it_binds_to_another_writer() {
    let mut open = notebook(&["x = 1", "x = 2", "print(x)", "y = 0"]);
    run_all(&mut open);
    apply(&mut open, &Edit::MoveCell { id: id("c3"), place: Place::Start });
    assert_eq!(stale(&open), ids(""));
    apply(&mut open, &Edit::MoveCell { id: id("c1"), place: Place::End });
    assert_eq!(stale(&open), ids("c2"));
    apply(&mut open, &Edit::MoveCell { id: id("c1"), place: Place::After(id("c0")) });
    assert_eq!(stale(&open), ids(""));
}

/// Functions that call each other, in two cells: what one of them takes from outside counts for the readers of the other.
#[test]
fn what_a_group_of_functions_takes_counts_for_all_its_readers() {
    let code =
        ["k = 3", "def even(n): return n == 0 or odd(n - 1)", "def odd(n): return n > k and even(n - 1)", "even(4)"];
    let mut open = notebook(&code);
    run_all(&mut open);
    update(&mut open, "c0", "k = 4");
    assert_eq!(stale(&open), ids("c0 c1 c2 c3"));
    update(&mut open, "c0", "k = 3");
    assert_eq!(stale(&open), ids(""));
    // The group falls apart, and comes back.
    update(&mut open, "c2", "def odd(n): return n > k");
    assert_eq!(stale(&open), ids("c1 c2 c3"));
    update(&mut open, "c2", code[2]);
    assert_eq!(stale(&open), ids(""));
    // The same for a cycle, whose cells cannot run.
    update(&mut open, "c0", "k = even(1)\nj = 0");
    update(&mut open, "c1", "even = odd");
    update(&mut open, "c2", "odd = k + j");
    assert_eq!(open.notebook().cycles.len(), 3);
    update(&mut open, "c0", "k = even(2)\nj = 0");
    assert_eq!(stale(&open), ids("c0 c1 c2 c3"));
}

/// A half-typed line has no say in what other cells' results are worth but by the names that it still writes.
#[test]
fn a_cell_that_does_not_parse_computes_from_its_code_alone() {
    let mut open = notebook(&["x = 1", "y = x", "z = y"]);
    update(&mut open, "c1", "y = x +");
    run_all(&mut open);
    update(&mut open, "c0", "x = 2");
    assert_eq!(stale(&open), ids("c0"));
    update(&mut open, "c1", "y = x");
    assert_eq!(stale(&open), ids("c0 c1 c2"));
}

#[test]
fn another_type_is_another_content() {
    let mut open = notebook(&["x", "y = x"]);
    run_all(&mut open);
    apply(&mut open, &Edit::SetCellType { id: id("c1"), cell_type: CellType::Sql });
    assert_eq!(stale(&open), ids("c1"));
}
