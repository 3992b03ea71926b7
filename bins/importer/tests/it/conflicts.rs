//! Tests of notebooks that exist already, with other content.

use crate::support::{Move, notebook};

fn conflict() -> Move {
    let this = Move::new();
    this.notebook("same", 3, &["x = 1"]);
    this.notebook("edited", 3, &["x = 1", "y = 2"]);
    this.expect(0, &["run"]);
    this.notebook("edited", 5, &["x = 2"]);
    this
}

#[test]
fn what_is_there_is_left_alone_unless_told_otherwise() {
    let this = conflict();
    let before = this.state();
    let run = this.expect(0, &["run"]);
    let line = run.line("edited.json");
    assert_eq!(line["result"], "skipped");
    assert_eq!(line["reason"], "the database has another content, at revision 3, and the file is at revision 5");
    let fail = this.expect(1, &["run", "--on-conflict", "fail"]);
    assert_eq!(fail.results(), [("edited.json".into(), "failed".into()), ("same.json".into(), "unchanged".into())]);
    assert_eq!(this.state(), before);
}

#[test]
fn overwriting_makes_a_later_revision_and_happens_once() {
    for (database, file, expected) in [(3, 5, 6), (3, 1, 4), (3, 3, 4)] {
        let this = Move::new();
        this.notebook("n", database, &["x = 1", "y = 2"]);
        this.expect(0, &["run"]);
        this.notebook("n", file, &["x = 2"]);
        let plan = this.expect(0, &["run", "--dry-run", "--on-conflict", "overwrite"]);
        let run = this.expect(0, &["run", "--on-conflict", "overwrite"]);
        assert_eq!(run.lines(), plan.lines());
        assert_eq!(run.line("n.json")["result"], "updated");
        let stored = this.load("n").unwrap();
        assert_eq!((stored.revision.0, stored.cells.len()), (expected, 1));
        let again = this.expect(0, &["run", "--on-conflict", "overwrite"]);
        assert_eq!(again.line("n.json")["result"], "unchanged");
        assert_eq!(this.revision("n").0, expected);
        assert_eq!(this.expect(0, &["verify"]).line("n.json")["result"], "same");
    }
}

/// Edited and edited back: the verification must report as different what the import skips, and an overwriting import
/// must repair it.
#[test]
fn a_revision_never_goes_back() {
    let this = Move::new();
    this.notebook("n", 5, &["x = 1"]);
    this.expect(0, &["run"]);
    this.notebook("n", 7, &["x = 1"]);
    assert_eq!(this.expect(0, &["run"]).line("n.json")["result"], "skipped");
    assert_eq!(this.expect(3, &["verify"]).line("n.json")["result"], "different");
    assert_eq!(this.expect(0, &["run", "--on-conflict", "overwrite", "--verify"]).lines()[0]["result"], "updated");
    assert_eq!(this.revision("n").0, 8);
    assert_eq!(this.expect(0, &["run"]).line("n.json")["result"], "unchanged");
}

#[test]
fn after_the_last_revision_nothing_is_overwritten() {
    let this = Move::new();
    this.notebook("n", (1 << 53) - 1, &["x = 1"]);
    this.expect(0, &["run"]);
    this.notebook("n", 0, &["x = 2"]);
    let run = this.expect(1, &["run", "--on-conflict", "overwrite"]);
    assert!(run.line("n.json")["reason"].as_str().unwrap().contains("no revision after the last"), "{run:?}");
}

#[test]
fn of_two_files_with_one_id_the_first_counts_and_the_other_is_named() {
    let this = Move::new();
    this.write("a.json", notebook("one", 1, &["first"]).to_string());
    this.write("b.json", notebook("one", 9, &["second"]).to_string());
    this.write("c/one.json", notebook("one", 1, &["first"]).to_string());
    for code in [1, 1] {
        let plan = this.expect(code, &["run", "--recursive", "--dry-run", "--on-conflict", "overwrite"]);
        let run = this.expect(code, &["run", "--recursive", "--on-conflict", "overwrite"]);
        assert_eq!(run.lines(), plan.lines());
        assert_eq!(
            run.line("b.json")["reason"],
            "has the id of a.json and another content, revision or connection string: give one of them another id"
        );
        assert_eq!(run.line("c/one.json")["reason"], "holds the same notebook as a.json");
        assert_eq!(
            (run.line("b.json")["result"].as_str(), run.line("c/one.json")["result"].as_str()),
            (Some("failed"), Some("skipped"))
        );
        assert_eq!(&*this.load("one").unwrap().cells.get(0).unwrap().code, "first");
    }
}

#[test]
fn somebody_elses_notebook_is_another_content() {
    let this = Move::new();
    this.notebook("n", 1, &["x"]);
    this.expect(0, &["run"]);
    let mut theirs = notebook("n", 1, &["x"]);
    theirs["user_id"] = "user_bob".into();
    this.write("n.json", theirs.to_string());
    assert_eq!(this.expect(0, &["run"]).line("n.json")["result"], "skipped");
    let verify = this.expect(3, &["verify"]);
    assert_eq!(verify.line("n.json")["reason"], "different: owner");
    this.expect(0, &["run", "--on-conflict", "overwrite"]);
    assert_eq!(this.load("n").unwrap().owner.as_str(), "user_bob");
}

#[test]
fn a_damaged_notebook_in_the_database_is_named_and_stays() {
    let this = conflict();
    this.notebook("other", 1, &["x"]);
    // The notebook has no digest, as after an edit, and cannot be read.
    this.sql("UPDATE notebooks SET content_digest = NULL WHERE id = 'edited'; UPDATE cells SET order_key = 'broken!' WHERE notebook_id = 'edited'");
    let plan = this.expect(1, &["run", "--dry-run", "--on-conflict", "overwrite"]);
    let run = this.expect(1, &["run", "--on-conflict", "overwrite"]);
    assert_eq!(run.lines(), plan.lines());
    let line = run.line("edited.json");
    assert_eq!(line["result"], "failed");
    assert!(line["reason"].as_str().unwrap().contains("damaged"), "{line}");
    assert_eq!(run.line("other.json")["result"], "imported");
    assert_eq!(this.expect(1, &["verify"]).line("edited.json")["result"], "failed");
}
