//! Edits from outside at every moment of a replacement.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A file, as it was when it was last looked at, and what replaces it.
struct Case {
    dir: TempDir,
    folder: Folder,
    temporaries: Folder,
}

impl Case {
    fn new(content: Option<&str>) -> Self {
        let dir = TempDir::new().unwrap();
        if let Some(content) = content {
            fs::write(dir.path().join("x.json"), content).unwrap();
        }
        let folder = Folder::open(dir.path()).unwrap();
        let temporaries = folder.subfolder("tmp").unwrap();
        Self { dir, folder, temporaries }
    }

    fn replacement(&self) -> Replacement<'_> {
        Replacement { folder: &self.folder, temporaries: &self.temporaries, name: "x.json", bytes: b"ours" }
    }

    fn content(&self) -> Option<String> {
        fs::read_to_string(self.dir.path().join("x.json")).ok()
    }

    fn temporary_files(&self) -> usize {
        fs::read_dir(self.dir.path().join("tmp")).unwrap().count()
    }
}

#[test]
fn what_is_as_expected_is_replaced() {
    let case = Case::new(Some("expected"));
    let replaced = replace(&case.replacement(), &Digest::of(b"expected")).unwrap();
    assert!(matches!(replaced, Replaced::Done(meta) if meta.fingerprint.size == 4));
    assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("ours"), 0));
}

/// The edit came after the last look at the file, at whatever moment before the exchange.
#[test]
fn an_edit_between_look_and_exchange_is_put_back() {
    let case = Case::new(Some("edited outside"));
    let replaced = replace(&case.replacement(), &Digest::of(b"expected")).unwrap();
    assert!(matches!(replaced, Replaced::Changed));
    assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("edited outside"), 0));
}

#[test]
fn a_file_that_went_away_is_not_made_again() {
    let case = Case::new(None);
    let replaced = replace(&case.replacement(), &Digest::of(b"expected")).unwrap();
    assert!(matches!(replaced, Replaced::Changed));
    assert_eq!((case.content(), case.temporary_files()), (None, 0));
}

#[test]
fn a_new_file_never_replaces_one() {
    let case = Case::new(Some("came from outside"));
    assert!(matches!(create(&case.replacement()).unwrap(), Created::AlreadyExists));
    assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("came from outside"), 0));
    fs::remove_file(case.dir.path().join("x.json")).unwrap();
    assert!(matches!(create(&case.replacement()).unwrap(), Created::Done(_)));
    assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("ours"), 0));
}

/// The case of a file system that cannot exchange.
#[test]
fn a_plain_rename_looks_once_more() {
    for (there, done) in [("expected", true), ("edited outside", false)] {
        let case = Case::new(Some(there));
        let expected = Digest::of(b"expected");
        let temporary = Temporary::write(&case.temporaries, "x.json", Some(&expected), b"ours").unwrap();
        let replaced = replace_by_rename(&case.replacement(), &temporary, &expected).unwrap();
        assert_eq!(matches!(replaced, Replaced::Done(_)), done);
        assert_eq!(case.content().as_deref(), Some(if done { "ours" } else { there }));
        assert_eq!(case.temporary_files(), 0);
    }
}

/// Ours is in the place, and what came out is an edit from outside; then a second one comes.
#[test]
fn of_two_edits_from_outside_the_newer_stays_and_the_older_is_kept() {
    let case = Case::new(Some("first edit"));
    let replacement = case.replacement();
    let temporary = Temporary::write(&case.temporaries, "x.json", Some(&Digest::of(b"old")), b"ours").unwrap();
    let swap = || case.temporaries.rename(&temporary.name, &case.folder, "x.json", RenameFlags::EXCHANGE);
    swap().unwrap();
    fs::write(case.dir.path().join("x.json"), "second edit").unwrap();
    put_back(&replacement, &temporary, swap).unwrap();
    assert_eq!(case.content().as_deref(), Some("second edit"));
    let kept: Vec<_> = fs::read_dir(case.dir.path().join("tmp")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "first edit");
}

#[test]
fn what_cannot_be_put_back_is_kept_and_reported_as_not_known_to_be_durable() {
    let case = Case::new(Some("edited outside"));
    let temporary = Temporary::write(&case.temporaries, "x.json", Some(&Digest::of(b"old")), b"ours").unwrap();
    case.temporaries.rename(&temporary.name, &case.folder, "x.json", RenameFlags::EXCHANGE).unwrap();
    let outcome = put_back(&case.replacement(), &temporary, || Err(Errno::IO)).unwrap();
    assert!(matches!(outcome, Replaced::DurabilityUnknown(meta, _) if meta.fingerprint.size == 4));
    assert_eq!(case.content().as_deref(), Some("ours"));
    let kept = case.dir.path().join("tmp").join(temporary.name.replace(".tmp", ".kept"));
    assert_eq!(fs::read_to_string(kept).unwrap(), "edited outside");
}

#[test]
fn only_what_is_as_expected_is_removed() {
    let case = Case::new(Some("edited outside"));
    let remove = || remove(&case.folder, &case.temporaries, "x.json", &Digest::of(b"expected")).unwrap();
    assert!(matches!(remove(), Removed::Changed));
    assert_eq!((case.content().as_deref(), case.temporary_files()), (Some("edited outside"), 0));
    fs::write(case.dir.path().join("x.json"), "expected").unwrap();
    assert!(matches!(remove(), Removed::Done(Ok(()))));
    assert_eq!((case.content(), case.temporary_files()), (None, 0));
    assert!(matches!(remove(), Removed::Missing));
}
