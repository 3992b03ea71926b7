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
    let is_unsettled = |notebook: &NotebookId| answers.state.lock().is_unsettled(notebook);
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

/// Three ways in which another program takes the log away, or what is in it.
const LOSSES: [fn(&Path); 3] = [
    |log| std::fs::remove_file(log).unwrap(),
    |log| {
        let other = log.with_extension("other");
        std::fs::write(&other, vec![b'\n'; 100_000]).unwrap();
        std::fs::rename(other, log).unwrap();
    },
    |log| std::fs::File::options().write(true).open(log).unwrap().set_len(1).unwrap(),
];

/// Fails unless the directory's next server finds the answers under these keys, and no other.
fn assert_kept(dir: &Path, kept: &[u8]) {
    let (answers, folder) = open(dir);
    answers.decide(&folder, |_, _| false).unwrap();
    let found = (0..10).filter(|&key| find(&answers, &folder, key).unwrap().is_some());
    assert_eq!(found.collect::<Vec<_>>(), kept);
}

/// Removes the log as `git clean -fdx` does before it removes the directory, just after a change has looked for what is missing.
#[test]
fn a_log_that_was_lost_is_written_anew_before_it_is_appended_to() {
    for lose in LOSSES {
        let dir = TempDir::new().unwrap();
        let (log, (answers, folder)) = (dir.path().join("answers.log"), open(dir.path()));
        let one = NotebookId::new("one").unwrap();
        answers.keep(&[answer(1)]).unwrap();
        lose(&log);
        answers.keep(&[answer(2)]).unwrap();
        assert_kept(dir.path(), &[1, 2]);
        lose(&log);
        let changing = answers.begin(&folder, &one, || FileState::Gone, &[answer(3)]).unwrap().unwrap();
        assert_kept(dir.path(), &[1, 2]);
        lose(&log);
        changing.happened();
        assert_kept(dir.path(), &[1, 2, 3]);
        lose(&log);
        drop(answers.begin(&folder, &one, || FileState::Gone, &[answer(4)]).unwrap().unwrap());
        assert_kept(dir.path(), &[1, 2, 3]);
    }
}

/// To sync an empty file in the place of the one that was appended to makes nothing durable.
#[test]
fn a_log_that_was_lost_before_it_was_synced_is_written_anew() {
    for lose in LOSSES {
        let dir = TempDir::new().unwrap();
        let (answers, _) = open(dir.path());
        answers.keep(&[answer(1)]).unwrap();
        let (changing, appended) = answers.write(None, &[answer(2)], |_| lines_of(&[answer(2)])).unwrap();
        lose(&dir.path().join("answers.log"));
        answers.sync(appended).unwrap();
        assert_kept(dir.path(), &[1, 2]);
        answers.state.lock().end(changing.number);
    }
}
