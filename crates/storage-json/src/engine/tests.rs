//! A directory whose names cannot be made durable for a while.

use quire_domain::{CellId, CellType, Edit, Life, Notebook, OpenNotebook, Place};
use quire_storage::RequestDigest;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

fn record(key: u8) -> IdempotencyRecord {
    let user = UserId::new("ann").unwrap();
    let (key, request) = (IdempotencyKey([key; 32]), RequestDigest([0; 32]));
    IdempotencyRecord { user, key, request, outcome: "{}".into(), at: Timestamp::default() }
}

/// An edit that inserts a cell.
fn edit(open: &mut OpenNotebook, key: u8) -> OwnedCommit {
    let base = open.notebook().base();
    let (cell_type, code) = (CellType::Python, "x".into());
    let insert = Edit::InsertCell { id: CellId::new(format!("c{key}")).unwrap(), cell_type, code, place: Place::End };
    let change = open.apply(&insert, None, Timestamp::default()).unwrap().unwrap();
    let (id, after, records) = (CommitId(Uuid::new_v4()), open.notebook().clone(), vec![record(key)]);
    OwnedCommit { id, base, changes: vec![Arc::new(change)], after, records, whole: false }
}

/// A change that a loss of power may still undo gives no record to a lookup, and no other change gets its key.
#[test]
fn the_record_of_a_change_is_withheld_until_it_is_durable() {
    let dir = TempDir::new().unwrap();
    let mut engine = Engine::open(dir.path(), UserId::new("ann").unwrap()).unwrap();
    let sound = || Folder::open(dir.path()).unwrap();
    let unsound = || Folder::unsyncable(dir.path());
    let look = |engine: &Engine, key| engine.record(&record(key).user, record(key).key, Timestamp::default());
    let new = |id: &str| {
        let id = NotebookId::new(id).unwrap();
        Notebook::new(id, Life::UNRECORDED, UserId::new("ann").unwrap(), Timestamp::default())
    };

    engine.notebooks = unsound();
    let made = engine.create(&new("x"), &[record(1)]);
    assert!(matches!(made, Err(Error::DurabilityUnknown(_))), "{made:?}");
    assert!(matches!(look(&engine, 1), Err(Error::DurabilityUnknown(_))));
    let twin = engine.create(&new("y"), &[record(1)]);
    assert!(matches!(twin, Err(Error::AlreadyRecorded)), "{twin:?}");
    // What is done next would take from the file what it shows of this.
    let mut open = OpenNotebook::open(new("x"));
    let first = edit(&mut open, 2);
    assert!(matches!(engine.commit(&first), Err(Error::Io(_))));
    assert!(look(&engine, 2).unwrap().is_none());
    engine.notebooks = sound();
    assert!(look(&engine, 1).unwrap().is_some());

    engine.notebooks = unsound();
    assert!(matches!(engine.commit(&first), Err(Error::DurabilityUnknown(_))));
    assert!(matches!(engine.commit(&first), Err(Error::DurabilityUnknown(_))), "the same again");
    assert!(matches!(look(&engine, 2), Err(Error::DurabilityUnknown(_))));
    engine.notebooks = sound();
    engine.commit(&first).unwrap();
    assert!(look(&engine, 2).unwrap().is_some());

    engine.notebooks = unsound();
    let gone = engine.delete(&NotebookId::new("x").unwrap(), open.notebook().base(), &[record(3)]);
    assert!(matches!(gone, Err(Error::DurabilityUnknown(_))), "{gone:?}");
    assert!(matches!(look(&engine, 3), Err(Error::DurabilityUnknown(_))));
    engine.notebooks = sound();
    assert!(look(&engine, 3).unwrap().is_some());
}
