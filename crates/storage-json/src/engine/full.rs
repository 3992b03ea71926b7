//! A disk that is full after any number of bytes: what was there stays, and what is acknowledged is whole.

use quire_domain::{CellId, CellStatus, CellType, Edit, Notebook, OpenNotebook, Place, Results};
use quire_storage::{RequestDigest, StoreError};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::disk::with_room;

fn open(dir: &TempDir) -> Engine {
    Engine::open(dir.path(), UserId::new("ann").unwrap()).unwrap()
}

fn answer() -> IdempotencyRecord {
    let (key, request) = (IdempotencyKey([1; 32]), RequestDigest([0; 32]));
    IdempotencyRecord {
        user: UserId::new("ann").unwrap(),
        key,
        request,
        outcome: "{}".into(),
        at: Timestamp::default(),
    }
}

fn notebook(id: &str) -> Notebook {
    Notebook::new(
        NotebookId::new(id).unwrap(),
        quire_domain::Life::UNRECORDED,
        UserId::new("ann").unwrap(),
        Timestamp::default(),
    )
}

fn commit(open: &mut OpenNotebook, edits: &[Edit], records: Vec<IdempotencyRecord>) -> OwnedCommit {
    let base = open.notebook().base();
    let changes = edits.iter().filter_map(|edit| open.apply(edit, None, Timestamp::default()).unwrap());
    let changes = changes.map(Arc::new).collect();
    OwnedCommit { id: CommitId(Uuid::new_v4()), base, changes, after: open.notebook().clone(), records, whole: false }
}

/// Whether it happened. The only way not to is to be told that there is no room.
fn happened<T>(done: Result<T, Error>) -> bool {
    let Err(error) = done else { return true };
    let told = error.of(&NotebookId::new("x").unwrap(), "write");
    assert!(matches!(&told, StoreError::Full { reason, .. } if reason == "no space left on the disk"), "{told:?}");
    false
}

/// Looks at the notebook's cells as the running store shows them and as the next one finds them, and at what is left.
fn check(engine: Engine, dir: &TempDir, expected: Option<&Notebook>, is_answered: bool) -> Engine {
    let look = |engine: &Engine| {
        let found = engine.load(&NotebookId::new("x").unwrap()).unwrap().map(|loaded| loaded.notebook);
        // What is stored of a cell; its analysis is made anew.
        let cells = |notebook: &Notebook| {
            let cells = notebook.cells.iter();
            let cells = cells.map(|cell| (cell.id.clone(), Arc::clone(&cell.code), Arc::clone(&cell.results)));
            (notebook.revision, cells.collect::<Vec<_>>())
        };
        assert_eq!(found.as_ref().map(cells), expected.map(cells));
        let found = engine.answer(&answer().user, answer().key, Timestamp::default()).unwrap();
        assert_eq!(found.is_some(), is_answered);
    };
    look(&engine);
    assert_eq!(std::fs::read_dir(dir.path().join(".quire/tmp")).unwrap().count(), 0);
    drop(engine);
    let engine = open(dir);
    look(&engine);
    engine
}

#[test]
fn a_commit_is_whole_or_not_there() {
    let (mut refused, mut done) = (0, 0);
    for bytes in (0..4_000).step_by(43) {
        let dir = TempDir::new().unwrap();
        let engine = open(&dir);
        let mut open = OpenNotebook::open(notebook("x"));
        engine.create(open.notebook(), &[]).unwrap();
        let id = CellId::new("a").unwrap();
        let insert =
            Edit::InsertCell { id: id.clone(), cell_type: CellType::Python, code: "small".into(), place: Place::End };
        engine.commit(&commit(&mut open, &[insert], Vec::new())).unwrap();
        let before = open.notebook().clone();

        let results = Results { status: CellStatus::Success, stdout: "y".repeat(700), ..Results::default() };
        let edits = [
            Edit::UpdateCell { id: id.clone(), code: "x".repeat(700).into() },
            Edit::SetResults { id, results: Arc::new(results) },
        ];
        let next = commit(&mut open, &edits, vec![answer()]);
        if happened(with_room(bytes, || engine.commit(&next))) {
            check(engine, &dir, Some(&next.after), true);
            done += 1;
        } else {
            let engine = check(engine, &dir, Some(&before), false);
            engine.commit(&next).unwrap();
            check(engine, &dir, Some(&next.after), true);
            refused += 1;
        }
    }
    // Some rounds end in each of the files.
    assert!(refused > 30 && done > 10, "{refused} refused, {done} done");
}

#[test]
fn a_notebook_is_made_whole_or_not_at_all() {
    let (mut refused, mut done) = (0, 0);
    for bytes in (0..1_500).step_by(43) {
        let dir = TempDir::new().unwrap();
        let engine = open(&dir);
        if happened(with_room(bytes, || engine.create(&notebook("x"), &[answer()]))) {
            check(engine, &dir, Some(&notebook("x")), true);
            done += 1;
        } else {
            let engine = check(engine, &dir, None, false);
            engine.create(&notebook("x"), &[answer()]).unwrap();
            check(engine, &dir, Some(&notebook("x")), true);
            refused += 1;
        }
    }
    assert!(refused > 5 && done > 5, "{refused} refused, {done} done");
}
