//! Tests of the report and the printed output.

use std::fs;

use quire_test_postgres::Database;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Move, runtime};

fn some(count: usize) -> Move {
    let this = Move::new();
    for number in 0..count {
        this.notebook(&format!("n{number:03}"), 1, &["x = 1"]);
    }
    this
}

#[test]
fn a_report_has_a_line_for_each_file_of_one_run() {
    let this = some(20);
    let report = this.dir.path().join("report.jsonl");
    let path = report.to_str().unwrap();
    let run = this.expect(0, &["run", "--report", path]);
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert_eq!(lines(&fs::read_to_string(&report).unwrap()), run.lines());
    // After an error is corrected, the next report no longer contains it.
    this.write("n000.json", "{");
    this.expect(1, &["run", "--dry-run", "--report", path]);
    assert_eq!(lines(&fs::read_to_string(&report).unwrap()).len(), 20);
    this.notebook("n000", 1, &["x = 1"]);
    let again = this.expect(0, &["run", "--dry-run", "--report", path]);
    let text = fs::read_to_string(&report).unwrap();
    assert_eq!(lines(&text), again.lines());
    assert!(!text.contains("invalid"), "{text}");
}

#[test]
fn a_report_on_a_full_disk_ends_the_run_in_order() {
    let this = some(200);
    let run = this.run(&["run", "--report", "/dev/full", "--jobs", "2"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("the report cannot be written: /dev/full: No space left on device"), "{run:?}");
    assert!(this.state().len() < 200, "it stops");
    this.expect(0, &["run", "--verify"]);
    assert_eq!(this.state().len(), 200);
    let missing = this.run(&["run", "--report", "/nowhere/report"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("cannot write the report /nowhere/report"), "{missing:?}");
}

#[test]
fn quiet_prints_trouble_alone() {
    let this = some(3);
    let well = this.run(&["run", "--quiet"]);
    assert_eq!((well.code, &*well.out, &*well.err), (Some(0), "", ""));
    this.write("broken.json", "{");
    let trouble = this.run(&["run", "--quiet"]);
    assert_eq!((trouble.code, &*trouble.out, trouble.err.lines().count()), (Some(1), "", 1), "{trouble:?}");
    let lines = this.run(&["run"]);
    assert!(lines.out.contains("0 imported, 0 updated, 3 unchanged, 0 skipped, 1 invalid, 0 failed in "), "{lines:?}");
    assert!(lines.err.contains("importing: 4 to look at"), "{lines:?}");
    let summary = this.run(&["run", "--json"]);
    let summary: Value = serde_json::from_str(summary.out.lines().last().unwrap()).unwrap();
    assert_eq!(summary["summary"]["unchanged"], 3);
}

#[test]
fn a_wrong_command_line_is_usage() {
    let this = some(0);
    for arguments in [
        &[][..],
        &["run", "--jobs", "0"],
        &["run", "--on-conflict", "perhaps"],
        &["run", "--owner", ""],
        &["run", "--quiet", "--json"],
        &["run", "--dry-run", "--verify"],
        &["export"],
        &["verify", "--on-conflict", "skip"],
    ] {
        let ended = this.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.err.starts_with("quire-import: "), "{ended:?}");
    }
}

#[test]
fn a_database_without_the_schema_is_refused_with_what_to_run() {
    let empty = Move { database: runtime().block_on(Database::empty()), dir: TempDir::new().unwrap() };
    empty.notebook("n", 1, &[]);
    for arguments in [&["run"][..], &["run", "--dry-run"], &["verify"]] {
        let behind = empty.run(arguments);
        assert_eq!(behind.code, Some(1), "{behind:?}");
        assert!(behind.err.contains("the database has no schema yet: run `quire-migrate up`"), "{behind:?}");
    }
}
