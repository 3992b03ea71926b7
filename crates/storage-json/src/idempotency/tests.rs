//! What is durable when, and who waits for whom.

use std::path::Path;

use quire_storage::RequestDigest;
use tempfile::TempDir;

use super::*;
use crate::digest::Digest;

fn answer(key: u8) -> IdempotencyRecord {
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

fn find(answers: &IdempotencyRecords, folder: &Folder, key: u8) -> Result<Option<IdempotencyRecord>, Error> {
    answers.find(folder, &answer(key).user, answer(key).key, Timestamp::default())
}

/// After a loss of power the file shows only its last change; that the one before happened must be durable by then.
#[test]
fn what_says_that_a_change_happened_is_durable_before_the_next() {
    let dir = TempDir::new().unwrap();
    let (answers, folder) = open(dir.path());
    let (one, other) = (NotebookId::new("one").unwrap(), NotebookId::new("other").unwrap());
    let then = || FileState::Content(Digest::of(b"then"));
    let is_unsettled = |notebook: &NotebookId| answers.state().is_unsettled(notebook);
    answers.begin(&folder, &one, then, &[answer(1)]).unwrap().unwrap().happened();
    assert!(is_unsettled(&one));
    assert!(answers.begin(&folder, &other, then, &[]).unwrap().is_none());
    assert!(is_unsettled(&one), "who sends no keys does not wait for those of others");
    assert!(answers.begin(&folder, &one, then, &[]).unwrap().is_none());
    assert!(!is_unsettled(&one));
    answers.begin(&folder, &one, then, &[answer(2)]).unwrap().unwrap().happened();
    let under_way = answers.begin(&folder, &other, then, &[answer(3)]).unwrap().unwrap();
    assert!(!is_unsettled(&one), "any durable write of the log is good for all");
    drop(under_way);
    assert!(find(&answers, &folder, 3).unwrap().is_none());
}

/// A second request waits for the first, and is decided by what became of it.
#[test]
fn of_two_under_one_key_the_second_waits() {
    for happens in [true, false] {
        let dir = TempDir::new().unwrap();
        let (answers, folder) = open(dir.path());
        let (one, other) = (NotebookId::new("one").unwrap(), NotebookId::new("other").unwrap());
        let first = answers.begin(&folder, &one, || FileState::Gone, &[answer(1)]).unwrap().unwrap();
        let second = std::thread::scope(|scope| {
            let (arrives, has_arrived) = std::sync::mpsc::channel();
            let then = move || {
                arrives.send(()).unwrap();
                FileState::Gone
            };
            let second = scope.spawn(|| answers.begin(&folder, &other, then, &[answer(1)]).map(|_| ()));
            // From there it is a few steps to the waiting; whoever does not wait has an end after a few more, and another one.
            has_arrived.recv().unwrap();
            for _ in 0..1_000 {
                std::thread::yield_now();
                assert!(!second.is_finished(), "the first is still under way");
            }
            if happens {
                first.happened();
            } else {
                drop(first);
            }
            second.join().unwrap()
        });
        assert_eq!(matches!(second, Err(Error::AlreadyRecorded)), happens, "{second:?}");
    }
}
