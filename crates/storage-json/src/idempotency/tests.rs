//! Durability of outcomes before the next change, and waiting of changes with equal keys.

use std::path::Path;
use std::sync::Arc;

use quire_storage::RequestDigest;
use tempfile::TempDir;

use super::*;
use crate::digest::Digest;

fn record(key: u8) -> IdempotencyRecord {
    let (user, outcome) = (UserId::new("ann").unwrap(), "{}".into());
    IdempotencyRecord {
        user,
        key: IdempotencyKey([key; 32]),
        request: RequestDigest([0; 32]),
        outcome,
        at: Timestamp::default(),
    }
}

fn open(dir: &Path) -> (IdempotencyRecords, Folder) {
    (IdempotencyRecords::open(Arc::new(Folder::open(dir).unwrap())).unwrap(), Folder::open(dir).unwrap())
}

fn find(records: &IdempotencyRecords, folder: &Folder, key: u8) -> Result<Option<IdempotencyRecord>, Error> {
    records.find(folder, &record(key).user, record(key).key, Timestamp::default())
}

/// After a loss of power the file shows only its last change; that the one before happened must be durable by then.
#[test]
fn the_outcome_of_a_change_is_durable_before_the_next_change() {
    let dir = TempDir::new().unwrap();
    let (records, folder) = open(dir.path());
    let (one, other) = (NotebookId::new("one").unwrap(), NotebookId::new("other").unwrap());
    let after = || FileState::Content(Digest::of(b"after"));
    let has_unsynced_outcome = |notebook: &NotebookId| records.state.lock().has_unsynced_outcome(notebook);
    records.prepare(&folder, &one, after, &[record(1)]).unwrap().unwrap().commit();
    assert!(has_unsynced_outcome(&one));
    assert!(records.prepare(&folder, &other, after, &[]).unwrap().is_none());
    assert!(has_unsynced_outcome(&one), "a change without records does not wait for those of other notebooks");
    assert!(records.prepare(&folder, &one, after, &[]).unwrap().is_none());
    assert!(!has_unsynced_outcome(&one));
    records.prepare(&folder, &one, after, &[record(2)]).unwrap().unwrap().commit();
    let prepared = records.prepare(&folder, &other, after, &[record(3)]).unwrap().unwrap();
    assert!(!has_unsynced_outcome(&one), "any durable write of the log is good for all");
    drop(prepared);
    assert!(find(&records, &folder, 3).unwrap().is_none());
}

/// A second request waits for the first, and is decided by what became of it.
#[test]
fn of_two_under_one_key_the_second_waits() {
    for happens in [true, false] {
        let dir = TempDir::new().unwrap();
        let (records, folder) = open(dir.path());
        let (one, other) = (NotebookId::new("one").unwrap(), NotebookId::new("other").unwrap());
        let first = records.prepare(&folder, &one, || FileState::Gone, &[record(1)]).unwrap().unwrap();
        let second = std::thread::scope(|scope| {
            let (arrives, has_arrived) = std::sync::mpsc::channel();
            let after = move || {
                arrives.send(()).unwrap();
                FileState::Gone
            };
            let second = scope.spawn(|| records.prepare(&folder, &other, after, &[record(1)]).map(|_| ()));
            // From there it is a few steps to the waiting; a thread that did not wait would end after a few more, with another outcome.
            has_arrived.recv().unwrap();
            for _ in 0..1_000 {
                std::thread::yield_now();
                assert!(!second.is_finished(), "the first is still under way");
            }
            if happens {
                first.commit();
            } else {
                drop(first);
            }
            second.join().unwrap()
        });
        assert_eq!(matches!(second, Err(Error::AlreadyRecorded)), happens, "{second:?}");
    }
}

/// Three ways in which another program removes the log or its contents.
const LOSSES: [fn(&Path); 3] = [
    |log| std::fs::remove_file(log).unwrap(),
    |log| {
        let other = log.with_extension("other");
        std::fs::write(&other, vec![b'\n'; 100_000]).unwrap();
        std::fs::rename(other, log).unwrap();
    },
    |log| std::fs::File::options().write(true).open(log).unwrap().set_len(1).unwrap(),
];

/// Fails unless the directory's next server finds the records of these keys, and no other.
fn assert_stored(dir: &Path, stored: &[u8]) {
    let (records, folder) = open(dir);
    records.recover(&folder, |_, _| false).unwrap();
    let found = (0..10).filter(|&key| find(&records, &folder, key).unwrap().is_some());
    assert_eq!(found.collect::<Vec<_>>(), stored);
}

/// Removes the log as `git clean -fdx` does before it removes the directory, just after a change has checked that nothing is missing.
#[test]
fn a_lost_log_is_rewritten_before_an_append() {
    for lose in LOSSES {
        let dir = TempDir::new().unwrap();
        let (log, (records, folder)) = (dir.path().join("answers.log"), open(dir.path()));
        let one = NotebookId::new("one").unwrap();
        records.put(&[record(1)]).unwrap();
        lose(&log);
        records.put(&[record(2)]).unwrap();
        assert_stored(dir.path(), &[1, 2]);
        lose(&log);
        let change = records.prepare(&folder, &one, || FileState::Gone, &[record(3)]).unwrap().unwrap();
        assert_stored(dir.path(), &[1, 2]);
        lose(&log);
        change.commit();
        assert_stored(dir.path(), &[1, 2, 3]);
        lose(&log);
        drop(records.prepare(&folder, &one, || FileState::Gone, &[record(4)]).unwrap().unwrap());
        assert_stored(dir.path(), &[1, 2, 3]);
    }
}

/// To sync an empty file in the place of the one that was appended to makes nothing durable.
#[test]
fn a_log_lost_before_its_sync_is_rewritten() {
    for lose in LOSSES {
        let dir = TempDir::new().unwrap();
        let (records, _) = open(dir.path());
        records.put(&[record(1)]).unwrap();
        let (change, appended) = records.append(None, &[record(2)], |_| lines_of(&[record(2)])).unwrap();
        lose(&dir.path().join("answers.log"));
        records.sync(appended).unwrap();
        assert_stored(dir.path(), &[1, 2]);
        records.state.lock().commit(change.number);
    }
}
