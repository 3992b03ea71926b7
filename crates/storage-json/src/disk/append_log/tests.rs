//! A log after a crash at each point, and after other programs were at its file.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::disk::with_room;

const NAME: &str = "test.log";

struct Case {
    dir: TempDir,
    folder: Arc<Folder>,
}

impl Case {
    /// A directory in which a crash has left this content.
    fn new(content: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(NAME), content).unwrap();
        let folder = Arc::new(Folder::open(dir.path()).unwrap());
        Self { dir, folder }
    }

    fn open(&self) -> (AppendLog, String) {
        let (log, bytes) = AppendLog::open_lines(Arc::clone(&self.folder), NAME).unwrap();
        (log, String::from_utf8(bytes).unwrap())
    }

    fn content(&self) -> String {
        fs::read_to_string(self.dir.path().join(NAME)).unwrap()
    }
}

#[test]
fn a_torn_tail_is_not_read_and_is_cut_off_by_the_next_append() {
    for torn in ["b", "bb", "\u{0}\u{0}\u{0}"] {
        let case = Case::new(&format!("a\n{torn}"));
        let (mut log, read) = case.open();
        assert_eq!((&*read, &*case.content()), ("a\n", &*format!("a\n{torn}")));
        assert_eq!(log.append(b"c\n").unwrap(), Appended::Written);
        assert_eq!(case.content(), "a\nc\n");
    }
    let case = Case::new("torn");
    assert_eq!(case.open().0.append(b"c\n").unwrap(), Appended::Written);
    assert_eq!(case.content(), "c\n");
}

#[test]
fn a_failed_append_leaves_the_log_as_it_was_and_the_next_one_follows_what_counts() {
    for durably in [false, true] {
        let case = Case::new("a\n");
        let (mut log, _) = case.open();
        let append = |log: &mut AppendLog| if durably { log.append_durably(b"bbb\n") } else { log.append(b"bbb\n") };
        for room in 0..4 {
            with_room(room, || append(&mut log)).unwrap_err();
            assert_eq!((&*case.content(), log.size()), ("a\n", 2));
        }
        // As if the tail could not be cut off at once.
        fs::write(case.dir.path().join(NAME), "a\nbb").unwrap();
        assert_eq!(append(&mut log).unwrap(), Appended::Written);
        assert_eq!((&*case.content(), case.open().1.as_str()), ("a\nbbb\n", "a\nbbb\n"));
    }
}

#[test]
fn what_cannot_be_synced_is_taken_back() {
    let case = Case::new("a\n");
    let (mut log, _) = case.open();
    log.folder = Arc::new(Folder::unsyncable(case.dir.path()));
    log.append_durably(b"b\n").unwrap_err();
    assert_eq!((&*case.content(), log.size()), ("a\n", 2));
    log.folder = Arc::clone(&case.folder);
    assert_eq!(log.append_durably(b"c\n").unwrap(), Appended::Written);
    assert_eq!(case.content(), "a\nc\n");
}

#[test]
fn a_rewrite_is_whole_or_has_not_happened() {
    for room in 0..4 {
        let case = Case::new("a\nb\n");
        let (mut log, _) = case.open();
        with_room(room, || log.rewrite(b"ccc\n")).unwrap_err();
        assert_eq!((&*case.content(), fs::read_dir(case.dir.path()).unwrap().count()), ("a\nb\n", 1));
        assert_eq!(log.append(b"d\n").unwrap(), Appended::Written);
        assert_eq!(case.open().1, "a\nb\nd\n");
        log.rewrite(b"ccc\n").unwrap();
        assert_eq!(log.append(b"d\n").unwrap(), Appended::Written);
        assert_eq!(case.open().1, "ccc\nd\n");
    }
}

/// The process dies while it rewrites the log, before the rename.
#[test]
fn what_a_crash_left_of_a_rewrite_counts_for_nothing() {
    let case = Case::new("a\n");
    let left = case.dir.path().join(format!("{NAME}{NEW}"));
    fs::write(&left, "half of a li").unwrap();
    let (mut log, read) = case.open();
    assert_eq!(read, "a\n");
    log.rewrite(b"b\n").unwrap();
    assert_eq!((&*case.content(), left.exists()), ("b\n", false));
}

#[test]
fn what_was_appended_last_is_taken_back() {
    let case = Case::new("a\n");
    let (mut log, _) = case.open();
    let before = log.size();
    assert_eq!(log.append_durably(b"b\n").unwrap(), Appended::Written);
    log.cut_back(before).unwrap();
    assert_eq!((&*case.content(), log.size(), log.read().unwrap()), ("a\n", 2, b"a\n".to_vec()));
}

/// Another program's file in the place, with the lines of this one alone, would pass for the whole.
#[test]
fn to_a_lost_file_nothing_is_appended_until_it_is_rewritten() {
    for lose in [
        |log: &Path| fs::remove_file(log).unwrap(),
        |log: &Path| fs::File::options().write(true).open(log).unwrap().set_len(1).unwrap(),
        |log: &Path| {
            fs::write(log.with_extension("other"), "longer than it was\n").unwrap();
            fs::rename(log.with_extension("other"), log).unwrap();
        },
    ] {
        let case = Case::new("a\n");
        let (mut log, _) = case.open();
        lose(&case.dir.path().join(NAME));
        let there = fs::read(case.dir.path().join(NAME)).ok();
        assert!(log.is_lost());
        assert_eq!(log.append(b"b\n").unwrap(), Appended::Lost);
        assert_eq!(log.append_durably(b"b\n").unwrap(), Appended::Lost);
        assert!(log.sync().unwrap().is_none());
        log.cut_back(0).unwrap_err();
        assert_eq!(fs::read(case.dir.path().join(NAME)).ok(), there);
        log.rewrite(b"c\n").unwrap();
        assert!(!log.is_lost());
        assert_eq!(log.append(b"d\n").unwrap(), Appended::Written);
        assert_eq!(case.content(), "c\nd\n");
    }
}

#[test]
fn after_a_rewrite_that_may_not_last_the_name_is_made_durable_with_the_next_lines() {
    let case = Case::new("");
    let (mut log, _) = case.open();
    log.rewrite(b"").unwrap();
    assert!(log.is_named);
    log.folder = Arc::new(Folder::unsyncable(case.dir.path()));
    log.rewrite(b"").unwrap_err();
    assert_eq!(log.append(b"x\n").unwrap(), Appended::Written);
    log.sync().unwrap().unwrap().run().unwrap_err();
    log.folder = Arc::clone(&case.folder);
    let sync = log.sync().unwrap().unwrap();
    sync.run().unwrap();
    log.synced(&sync);
    assert!(log.is_named);
}

/// The sync was taken, and made the name durable, before another file had it.
#[test]
fn a_sync_says_nothing_about_the_name_of_a_later_file() {
    let case = Case::new("a\n");
    let (mut log, _) = case.open();
    let sync = log.sync().unwrap().unwrap();
    sync.run().unwrap();
    log.folder = Arc::new(Folder::unsyncable(case.dir.path()));
    log.rewrite(b"b\n").unwrap_err();
    log.synced(&sync);
    assert!(!log.is_named);
}
