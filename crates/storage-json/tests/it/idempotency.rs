//! Answers in files: the log and the notebooks' files tell together what has happened, whatever a crash has left of them.

use std::fs;
use std::path::Path;

use quire_storage::prelude::*;
use quire_storage::{IdempotencyRecord, StoreError};
use sha2::{Digest as _, Sha256};

use crate::support::{
    Served, at, commit_with_records, edit, find, id, is_recorded, load, notebook, record, update, user,
};

const LOG: &str = ".quire/answers.log";

async fn save(served: &Served, revision: i64) {
    let mut view = load(served, "x").await;
    let code = format!("{revision}");
    commit_with_records(served, &mut view, &[update("a", &code)], &[record("x", revision)]).await.unwrap();
    assert_eq!(view.revision(), revision);
}

async fn recorded(served: &Served, revisions: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut recorded = Vec::new();
    for revision in revisions {
        if is_recorded(served, "x", revision).await {
            recorded.push(revision);
        }
    }
    recorded
}

fn lines(dir: &Path) -> Vec<String> {
    fs::read_to_string(dir.join(LOG)).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn write_lines(dir: &Path, lines: &[String]) {
    fs::write(dir.join(LOG), lines.join("\n") + "\n").unwrap();
}

/// A loss of power may take everything that was not waited for: here, that the last change has happened.
#[tokio::test]
async fn without_the_last_line_the_file_tells_whether_the_change_happened() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), Some(&record("x", 1))).await.unwrap();
    save(&served, 2).await;
    let before = served.read("x.json");
    save(&served, 3).await;
    let after = served.read("x.json");
    for (content, expected) in [(&after, vec![1, 2, 3]), (&before, vec![1, 2])] {
        let mut lines_left = Vec::new();
        served.restart_after(|dir| {
            lines_left = lines(dir);
            lines_left.retain(|line| !line.contains("happened\":3"));
            write_lines(dir, &lines_left);
            fs::write(dir.join("x.json"), content).unwrap();
        });
        assert_eq!(recorded(&served, 1..5).await, expected);
        // The log said so, of all but the last.
        assert!(lines_left.last().unwrap().contains("\"change\":3"), "{lines_left:?}");
        write_lines(served.dir(), &lines_left);
    }
}

/// The key was free again, and the crash came before the log said that its new change had happened.
#[tokio::test]
async fn a_key_used_again_after_it_expired_has_the_new_record() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let old = record("x", 2);
    served.put_records(std::slice::from_ref(&old)).await.unwrap();
    let later = old.at + IdempotencyRecord::LIFE;
    assert!(find(&served, &old, later).await.is_none());
    let new = IdempotencyRecord { outcome: "new".into(), at: later, ..old };
    let mut view = load(&served, "x").await;
    commit_with_records(&served, &mut view, &[update("a", "2")], std::slice::from_ref(&new)).await.unwrap();
    served.restart_after(|dir| {
        let mut left = lines(dir);
        left.retain(|line| !line.contains("happened"));
        write_lines(dir, &left);
    });
    assert_eq!(find(&served, &new, later).await, Some(new));
}

/// After a change without a record, the file no longer shows the change before; its outcome must be in the log by then.
#[tokio::test]
async fn a_change_without_a_record_removes_none() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), Some(&record("x", 1))).await.unwrap();
    save(&served, 2).await;
    edit(&served, "x", &[update("a", "3")]).await.unwrap();
    edit(&served, "x", &[update("a", "4")]).await.unwrap();
    save(&served, 5).await;
    served.delete_current(&id("x"), Some(&record("x", 6))).await.unwrap();
    served.restart_after(|_| {});
    assert_eq!(recorded(&served, 0..8).await, [1, 2, 5, 6]);
    served.create(&notebook("x", "again"), None).await.unwrap();
    served.restart_after(|_| {});
    assert_eq!(recorded(&served, 0..8).await, [1, 2, 5, 6]);
}

#[tokio::test]
async fn a_deletion_that_was_only_written_down_has_not_happened() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let file = served.read("x.json");
    served.delete_current(&id("x"), Some(&record("x", 2))).await.unwrap();
    served.restart_after(|dir| {
        let mut left = lines(dir);
        left.retain(|line| !line.contains("happened"));
        write_lines(dir, &left);
        fs::write(dir.join("x.json"), file).unwrap();
    });
    assert!(!is_recorded(&served, "x", 2).await);
    served.delete_current(&id("x"), Some(&record("x", 2))).await.unwrap();
    assert!(is_recorded(&served, "x", 2).await);
}

/// What somebody else does later is not taken for the change that failed.
#[tokio::test]
async fn a_deletion_that_failed_does_not_happen_later_by_other_hands() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let before = lines(served.dir()).len();
    // What is to be deleted is moved to this place first, where a directory is in the way.
    let half = |bytes: &[u8]| {
        let digits: Vec<_> = Sha256::digest(bytes)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    };
    let place = format!("{}.gone.{}.tmp", half(b"x.json"), half(served.read("x.json").as_bytes()));
    fs::create_dir(served.path(".quire/tmp").join(place)).unwrap();
    served.delete_current(&id("x"), Some(&record("x", 2))).await.unwrap_err();
    let written = lines(served.dir()).split_off(before);
    served.restart_after(|dir| fs::remove_file(dir.join("x.json")).unwrap());
    assert!(!is_recorded(&served, "x", 2).await);
    // Nor when the process died before it logged the outcome.
    served.create(&notebook("x", "1"), None).await.unwrap();
    served.restart_after(|dir| write_lines(dir, &written[..1]));
    assert!(!is_recorded(&served, "x", 2).await);
    served.restart_after(|dir| fs::remove_file(dir.join("x.json")).unwrap());
    assert!(!is_recorded(&served, "x", 2).await);
}

/// A log that is cut off or overwritten anywhere: the directory opens, the other records are found, and new ones are stored.
#[tokio::test]
async fn damage_takes_only_what_it_hits() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), Some(&record("x", 1))).await.unwrap();
    save(&served, 2).await;
    save(&served, 3).await;
    let whole = fs::read(served.path(LOG)).unwrap();
    for cut in 0..whole.len() {
        served.restart_after(|dir| fs::write(dir.join(LOG), &whole[..cut]).unwrap());
        let left = recorded(&served, 1..4).await;
        // The file tells of the last change by itself, once it is written down.
        assert!([vec![], vec![1], vec![1, 2], vec![1, 2, 3]].contains(&left), "cut at {cut}: {left:?}");
        served.put_records(&[record("y", 1)]).await.unwrap();
        served.restart_after(|_| {});
        assert!(is_recorded(&served, "y", 1).await, "cut at {cut}");
        assert_eq!(recorded(&served, 1..4).await, left, "cut at {cut}");
    }
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x15;
        served.restart_after(|dir| fs::write(dir.join(LOG), &damaged).unwrap());
        let left = recorded(&served, 1..4).await;
        assert!(left.len() >= 2, "damaged at {at}: {left:?}");
    }
    served.restart_after(|dir| {
        fs::remove_file(dir.join(LOG)).unwrap();
        fs::create_dir(dir.join(LOG)).unwrap();
    });
    assert_eq!(load(&served, "x").await.revision(), 3);
    let refused = served.put_records(&[record("y", 2)]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    // A change whose record cannot be stored is not made either.
    let file = served.read("x.json");
    let mut view = load(&served, "x").await;
    let refused = commit_with_records(&served, &mut view, &[update("a", "4")], &[record("x", 4)]).await;
    assert!(matches!(refused, Err(StoreError::Backend { .. })), "{refused:?}");
    assert!(served.delete_current(&id("x"), Some(&record("x", 4))).await.is_err());
    assert!(served.create(&notebook("z", "1"), Some(&record("z", 1))).await.is_err());
    assert_eq!((served.names(), served.read("x.json")), (vec!["x.json".to_owned()], file));
    edit(&served, "x", &[update("a", "4")]).await.unwrap();
}

/// The log does not grow for ever: what counts no more leaves it.
#[tokio::test]
async fn the_log_is_rewritten_when_most_of_it_is_obsolete() {
    let mut served = Served::new();
    let outcome = "x".repeat(IdempotencyRecord::OUTCOME_BYTES).into();
    let large = IdempotencyRecord { outcome, ..record("large", 0) };
    served.create(&notebook("x", "1"), None).await.unwrap();
    let mut view = load(&served, "x").await;
    let many = |from: i64| {
        (from..from + 200).map(|number| IdempotencyRecord {
            key: record("y", number).key,
            at: at(number),
            ..large.clone()
        })
    };
    commit_with_records(&served, &mut view, &[update("a", "2")], &many(0).collect::<Vec<_>>()).await.unwrap();
    let size = || fs::metadata(served.path(LOG)).unwrap().len();
    let full = size();
    assert!(full > 200 * 4_096);
    let later = at(150) + IdempotencyRecord::LIFE;
    served.delete_old_records(&[user("ann")], later).await.unwrap();
    assert!(size() < full / 3, "{} of {full} bytes are left", size());
    commit_with_records(&served, &mut view, &[update("a", "3")], &[record("x", 3)]).await.unwrap();
    served.restart_after(|_| {});
    assert!(is_recorded(&served, "x", 3).await);
    let found = find(&served, &record("y", 199), at(0)).await;
    assert_eq!(found.map(|found| found.outcome), Some(large.outcome));
    assert!(find(&served, &record("y", 150), at(0)).await.is_none());
}
