//! Tests of imports of files, old and current.

use std::fs;

use quire_domain::CellStatus;
use serde_json::json;

use crate::support::{Move, notebook, runtime, snapshot};

/// Returns a directory like real ones.
fn legacy() -> Move {
    let this = Move::new();
    let user = "user_2x7Qm";
    let cell =
        |id: &str, code: &str| json!({"id": id, "type": "python", "code": code, "reads": ["print"], "writes": []});
    let demo = format!("demo-{user}");
    this.write(
        &format!("{demo}.json"),
        json!({"id": demo, "user_id": user, "name": demo, "db_conn_string": "", "revision": 23,
               "cells": [cell("a", "x = 10"), cell("b", "y = x + 5\nprint(y)")]})
        .to_string(),
    );
    let blank = format!("blank-{user}");
    // The owner follows from the name.
    this.write(&format!("{blank}.json"), json!({"id": blank, "cells": [cell("a", "")]}).to_string());
    this.write("demo.json", json!({"id": "demo", "user_id": null, "cells": []}).to_string());
    let mut results = notebook("with-results", 7, &["1 + 1", "broken("]);
    results["cells"][0]["stdout"] = json!("printed\n");
    results["cells"][0]["outputs"] = json!([{"mime_type": "text/plain", "data": "2", "metadata": {"a": 1e2}}]);
    results["cells"][1]["error"] = json!("SyntaxError on line 1");
    results["theme"] = json!({"dark": [1, 2.50]});
    results["cells"][1]["collapsed"] = json!(true);
    this.write("with-results.json", results.to_string());
    this.write("nested/deeper/test-mixed.json", notebook("test-mixed", 0, &["SELECT"]).to_string());
    this.write("7f0f1c1e_ab12cd34.tmp", "{\"id\": \"7f0f1c1e\"");
    this.write(".hidden.json", "not a notebook");
    this.write("notes.txt", "not a notebook");
    this
}

#[test]
fn everything_in_old_files_arrives_and_the_files_stay_as_they_are() {
    let this = legacy();
    let before = snapshot(this.dir.path());
    let plan = this.expect(0, &["run", "--recursive", "--dry-run"]);
    assert!(this.state().is_empty(), "a dry run writes nothing");
    let run = this.expect(0, &["run", "--recursive", "--verify", "--jobs", "3"]);
    let (imported, verified): (Vec<_>, Vec<_>) = run.lines().into_iter().partition(|line| line["result"] == "imported");
    assert_eq!(imported, plan.lines(), "a run does what its plan said");
    assert_eq!(imported.len(), 5, "{run:?}");
    assert!(verified.len() == 5 && verified.iter().all(|line| line["result"] == "same"), "{run:?}");
    assert!(run.line("demo.json")["reason"].as_str().unwrap().contains("shadowed"), "{run:?}");

    let owner = |id: &str| this.load(id).unwrap().owner.to_string();
    assert_eq!(
        ["demo-user_2x7Qm", "blank-user_2x7Qm", "demo", "test-mixed"].map(owner),
        ["user_2x7Qm", "user_2x7Qm", "system", "user_ann"]
    );
    let demo = this.load("demo-user_2x7Qm").unwrap();
    assert_eq!((demo.name.as_deref(), demo.revision.0, demo.connection), (Some("demo-user_2x7Qm"), 23, None));
    let second = demo.cells.get(1).unwrap();
    assert_eq!((second.reads().collect::<Vec<_>>(), second.writes().collect::<Vec<_>>()), (vec!["x"], vec!["y"]));
    let with_results = this.load("with-results").unwrap();
    let [first, second] = [0, 1].map(|index| with_results.cells.get(index).unwrap().clone());
    assert_eq!((&*first.results.stdout, first.results.status), ("printed\n", CellStatus::Success));
    assert_eq!(first.results.outputs[0].metadata.as_str(), r#"{"a":100.0}"#);
    assert_eq!(second.results.error.as_deref(), Some("SyntaxError on line 1"));
    assert_eq!(with_results.extra.iter().next().unwrap().1.as_str(), r#"{"dark":[1,2.5]}"#);
    assert_eq!(second.extra.iter().next().unwrap().0, "collapsed");

    let state = this.state();
    let again = this.expect(0, &["run", "--recursive"]);
    assert!(again.results().iter().all(|(_, result)| result == "unchanged"), "{again:?}");
    assert_eq!(this.state(), state);
    assert_eq!(snapshot(this.dir.path()), before, "the files are the backup");
}

#[test]
fn a_named_owner_gets_what_has_none() {
    let this = legacy();
    this.expect(0, &["run", "--owner", "user_new"]);
    let owner = |id: &str| this.load(id).unwrap().owner.to_string();
    assert_eq!((owner("demo"), owner("blank-user_2x7Qm")), ("user_new".into(), "user_2x7Qm".into()));
    assert!(this.load("test-mixed").is_none(), "directories below are for --recursive");
}

#[test]
fn a_directory_that_a_server_serves_is_read_with_its_results_and_not_locked() {
    use quire_storage::prelude::*;
    use quire_storage_json::{JsonNotebookStore, Options};

    let source = legacy();
    source.expect(0, &["run", "--recursive"]);
    let this = Move::new();
    let _context = runtime().enter();
    let served = JsonNotebookStore::open(this.dir.path(), Options::default()).unwrap();
    for notebook in source.state() {
        runtime().block_on(served.create(&notebook, None)).unwrap();
    }
    assert!(fs::read_dir(this.dir.path().join(".quire/outputs")).unwrap().count() > 0);
    let before = snapshot(this.dir.path());
    // A running server holds its lock meanwhile.
    this.expect(0, &["run", "--verify"]);
    assert_eq!(snapshot(this.dir.path()), before);
    drop(served);
    assert_eq!(this.state(), source.state());
}

#[test]
fn a_user_who_may_only_read_is_enough_for_a_dry_run_and_a_verification() {
    let this = legacy();
    this.notebook("other", 3, &["x = 1"]);
    this.expect(0, &["run"]);
    this.notebook("other", 4, &["x = 2"]);
    this.notebook("new", 0, &[]);
    let role = format!("reader_{}", this.database.name());
    this.sql(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'reader'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let (_, place) = this.database.url().split_once('@').unwrap();
    let reader = format!("postgres://{role}:reader@{place}");
    let as_reader = |arguments: &[&str]| -> crate::support::Ended {
        this.command(arguments).env("DATABASE_URL", &reader).output().unwrap().into()
    };
    let plan = as_reader(&["run", "--dry-run", "--on-conflict", "overwrite", "--json"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let verify = as_reader(&["verify", "--json"]);
    assert_eq!(verify.code, Some(3), "{verify:?}");
    assert_eq!(verify.line("other.json")["result"], "different");
    // Each file's write is refused, and nothing is half done.
    let refused = as_reader(&["run", "--json"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.line("new.json")["result"], "failed");
    assert!(this.load("new").is_none());
    let run = this.expect(0, &["run", "--on-conflict", "overwrite"]);
    assert_eq!(run.lines(), plan.lines());
    this.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
